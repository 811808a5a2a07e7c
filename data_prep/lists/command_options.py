"""Options that several commands share, and what they stand for."""

import argparse
import dataclasses
import hashlib
import inspect
import pathlib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence

from data_prep.lists import class_folders, list_formats, wanted_videos
from smad_jax import errors
from smad_jax.base import command_line, sections
from smad_jax.data import catalog, label_names, video

T = typing.TypeVar("T")
# Splits that `build_records` writes, or treats as parts of the training data.
_RESERVED = re.compile(r"all|val\d*|train.*", re.IGNORECASE)


def add_options(parser: argparse._ActionsContainer, kind: type, *names: str) -> None:
    """Adds an option for fields of a dataclass, by default all; each is described once.

    The field gives name, type and default, its line under `Attributes:` in the class's
    docstring the help. A field `list_file` becomes `--list`.
    """
    hints = typing.get_type_hints(kind)
    # Fields of a parent are described there.
    helps = {k: v for c in kind.__mro__ for k, v in _attribute_texts(c).items()}
    for name in names or hints:
        flag = f"--{name.removesuffix('_file').replace('_', '-')}"
        settings: dict[str, typing.Any] = {"dest": name, "help": helps[name]}
        hint = hints[name]
        if typing.get_origin(hint) is types.UnionType:
            hint = typing.get_args(hint)[0]
        is_list = typing.get_origin(hint) is tuple
        if hint is bool:
            settings["action"] = "store_true"
        elif typing.get_origin(hint) is typing.Literal:
            settings["choices"] = typing.get_args(hint)
        else:
            settings["type"] = typing.get_args(hint)[0] if is_list else hint
            settings["nargs"] = "+" if is_list else None
            settings["action"] = "extend" if is_list else "store"
            settings["metavar"] = flag[2:].replace("-", "_").upper()
        default = getattr(kind, name, dataclasses.MISSING)
        settings["required"] = default is dataclasses.MISSING
        if default not in ((), dataclasses.MISSING):  # else left to the dataclass
            settings["default"] = list(default) if is_list else default
        else:
            settings["default"] = argparse.SUPPRESS
        parser.add_argument(flag, **settings)


def _attribute_texts(kind: type) -> dict[str, str]:
    """The texts under `Attributes:` in a docstring, by name, as phrases."""
    listed = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    parts = re.split(r"^    (\w+): ", listed, flags=re.M)
    texts = (" ".join(text.split()).removesuffix(".") for text in parts[2::2])
    return {
        name: text[:1].lower() + text[1:]
        for name, text in zip(parts[1::2], texts, strict=True)
    }


def pick(kind: type[T], options: Mapping[str, object]) -> T:
    """Returns the dataclass `kind` with those of the options that its fields name."""
    names = typing.get_type_hints(kind)
    return sections.read(kind, "", {k: v for k, v in options.items() if k in names})


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Adds `--data-root` and `--dataset`."""
    command_line.add_data_root(parser)
    parser.add_argument("--dataset", required=True, help="name of the data set")


def open_place(
    data_root: pathlib.Path, place: str, option: str, aspects: Sequence[str] = ()
) -> catalog.Split:
    """Returns the split that an option names as DATASET/SPLIT.

    Raises:
        ConfigError: if the name has another form.
        DataError: if the split or labels of `aspects` are missing.
    """
    dataset, _, split = place.rpartition("/")
    if not dataset or not split:
        raise errors.ConfigError(f"{option} must be DATASET/SPLIT, not {place!r}")
    return catalog.open_split(data_root, dataset, split, aspects=aspects)


@dataclasses.dataclass(frozen=True)
class Lists:
    """The videos that a command reads, from lists or class folders.

    Attributes:
        videos: Folder of the videos.
        list_file: List of the videos; without it, class folders.
        val_list: List of the validation videos.
        test: Lists of further test videos, NAME=LIST each; may be repeated.
        format: A name of `list_formats.FORMATS`, or `auto`.
        images: Class folders hold images, not videos.
        classes: File of class names in label order, one per line.
    """

    videos: pathlib.Path
    list_file: pathlib.Path | None = None
    val_list: pathlib.Path | None = None
    test: tuple[str, ...] = ()
    format: str = "auto"
    images: bool = False
    classes: pathlib.Path | None = None

    def source(self) -> wanted_videos.Source:
        """Returns the wanted videos.

        Raises:
            ConfigError: if the options contradict each other.
            DataError: if the folder is missing, a list is malformed or names nothing.
        """
        if not self.videos.is_dir():
            raise errors.DataError(f"--videos {self.videos} is not a folder")
        if self.list_file is None:
            if self.val_list is not None or self.test:
                option = "--test" if self.val_list is None else "--val-list"
                raise errors.ConfigError(f"{option} needs --list")
            if self.format != "auto":
                raise errors.ConfigError("--format needs --list")
            return class_folders.find_videos(
                self.videos,
                video.IMAGE_EXTENSIONS if self.images else video.EXTENSIONS,
            )
        if self.images:
            raise errors.ConfigError(
                "--images is for class folders; leave it out with --list, which may "
                "name images"
            )
        tests = self.test_lists()
        found = list_formats.read(
            self.videos,
            self.list_file,
            self.val_list,
            self.format,
            tests=tests,
        )
        if found.splits.keys() - tests.keys() != {"train", "test"}:
            return found
        # As for folders: training needs a split for validation.
        splits = {"val" if s == "test" else s: e for s, e in found.splits.items()}
        note = "the videos for 'test' are the split for validation"
        return found._replace(splits=splits, notes=[*found.notes, note])

    def test_lists(self) -> dict[str, pathlib.Path]:
        """Returns the lists of test videos by the name of their split.

        Raises:
            ConfigError: if a name is missing, taken or used twice.
        """
        found: dict[str, pathlib.Path] = {}
        for text in self.test:
            name, equals, path = text.partition("=")
            if not equals or not path:
                raise errors.ConfigError(f"--test must be NAME=LIST, not {text!r}")
            if not re.fullmatch(r"\w[\w-]*", name) or _RESERVED.fullmatch(name):
                raise errors.ConfigError(
                    f"--test {text}: a split cannot be called {name!r}; use letters, "
                    "digits, '_' and '-', but not all, val or a name that begins with "
                    "train"
                )
            if name in found:
                raise errors.ConfigError(f"--test names {name!r} twice")
            found[name] = pathlib.Path(path)
        return found

    def class_names(self) -> tuple[str, ...] | None:
        """Returns the names in `classes`, None without such a file."""
        return label_names.read(self.classes) if self.classes else None

    def digests(self) -> Iterator[tuple[str, pathlib.Path, str]]:
        """Yields option, path and SHA-256 of each path given, empty for a folder."""
        for option, path in (
            ("videos", self.videos),
            ("list", self.list_file),
            ("val_list", self.val_list),
            *((f"test_{name}", path) for name, path in self.test_lists().items()),
            ("classes", self.classes),
        ):
            if path is not None:
                content = path.read_bytes() if path.is_file() else None
                digest = "" if content is None else hashlib.sha256(content).hexdigest()
                yield option, path, digest


def add_format(parser: argparse.ArgumentParser) -> None:
    """Adds `--format`."""
    forms = "; ".join(
        f"{name}: {row.form}" for name, row in list_formats.FORMATS.items()
    )
    parser.add_argument(
        "--format",
        choices=("auto", *list_formats.FORMATS),
        default="auto",
        metavar="FORM",
        help=f"form of the lists; auto: detected from the first lines; {forms}",
    )
