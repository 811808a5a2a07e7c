"""What a config asks for, as frozen sections with a type and a range for every key.

`configs/base.py` explains each key. A key that a config leaves out has its
plainest value here: the stored config of an old run lacks keys that came later.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import ml_collections

from smad_jax import errors, methods
from smad_jax.base import aspect_names, file_io, sections
from smad_jax.base.sections import Range
from smad_jax.data import video
from smad_jax.data.masking import MaskedStream
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform
from smad_jax.data.web import WebStream, check_name
from smad_jax.models import layers, resnet

_Count = Annotated[int, Range(least=0)]
_Positive = Annotated[int, Range(least=1)]
_Amount = Annotated[float, Range(least=0)]


@dataclasses.dataclass(frozen=True)
class Data:
    """The videos, and how they are read."""

    train: str
    batch_size: _Positive
    sampling: Sampling
    transform: Transform
    root: str = ""
    target: str = ""
    target_batch_size: _Count = 0
    embedded_seed: int = 0
    # The bounds of `benchmark.folder_name`, which would raise only after the checks.
    embedded_scale: Annotated[float, Range(least=0.02, most=1)] = 1.0
    aspect_labels: Literal["given", "shuffled"] = "given"
    groups: str = ""
    holdout: Annotated[float, Range(least=0, below=1)] = 0.0
    max_videos: _Count = 0
    num_threads: _Count = 2
    num_workers: _Count = 0
    cache_mib: _Count = 0
    # Some files of any large download are broken; more of them mean a mistake.
    bad_video_limit: Annotated[float, Range(least=0, most=1)] = 0.05
    # Videos come from strangers, and a small file can state any size.
    max_picture_pixels: _Positive = video.Limits().picture
    max_clip_pixels: _Positive = video.Limits().clip
    # In alphabetical order, which is that of their turns.
    web: Mapping[str, WebStream] = dataclasses.field(default_factory=dict)
    web_every: _Positive = 1
    masked: MaskedStream | None = None

    @property
    def limits(self) -> video.Limits:
        """The most pixels to decode."""
        return video.Limits(self.max_picture_pixels, self.max_clip_pixels)

    @property
    def unlabelled_size(self) -> int:
        """Unlabelled videos of a step, of all devices together."""
        return self.target_batch_size or self.batch_size

    @property
    def masked_size(self) -> int:
        """Clips without people of a batch; 0 without such a stream."""
        return (self.masked.batch_size or self.batch_size) if self.masked else 0

    @property
    def batch_sizes(self) -> dict[str, int]:
        """The global batch size of every stream, by its key in the config."""
        sizes = {"data.batch_size": self.batch_size}
        if self.target:
            sizes["data.target_batch_size"] = self.unlabelled_size
        if self.masked:
            sizes["data.masked.batch_size"] = self.masked_size
        return sizes | {
            f"data.web.{name}.batch_size": stream.batch_size
            for name, stream in self.web.items()
        }


@dataclasses.dataclass(frozen=True)
class Model:
    """The network; the fields are keywords of `models.build_model`."""

    name: str
    saar: bool = False
    # These three are in no config: None and 1 take the network's own SAAR and shortcut.
    saar_width: int | None = None
    saar_blocks: _Positive = 1
    shortcut: resnet.Shortcut | None = None
    dropout: Annotated[float, Range(least=0, below=1)] = 0.0
    ghost_size: _Count = 0
    ghost_statistics: layers.GhostStatistics = "mean"
    # float64 is for comparisons, and needs JAX's x64 mode.
    dtype: Literal["float32", "bfloat16", "float64"] = "float32"


@dataclasses.dataclass(frozen=True)
class Init:
    """The weights to start from."""

    folder: str = ""
    allow: tuple[str, ...] = ()
    # Also where shapes fit: another data set may have as many classes.
    fresh: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Method:
    """The method against bias; its own `settings` are read by its class."""

    name: str = "baseline"
    aspects: tuple[str, ...] = ()
    ramp: Literal["constant", "dann"] = "constant"
    # Left as they are: only the method's class knows their names and ranges.
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """The direction of descent and the learning rate."""

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: _Amount = 0.0
    base_batch_size: _Count = 0
    schedule: Literal["cosine", "steps"] = "cosine"
    warmup_epochs: _Count = 0
    # For runs whose number of epochs follows from the number of videos.
    warmup_share: Annotated[float, Range(least=0, below=1)] = 0.0
    milestones: tuple[int, ...] = ()
    weight_decay: _Amount = 0.0
    momentum: _Amount = 0.0
    clip_norm: _Amount = 0.0


@dataclasses.dataclass(frozen=True)
class Training:
    """The length of training, and what happens on the way."""

    epochs: _Positive
    # Small data sets need more epochs than large ones for as many steps.
    num_clips: _Count = 0
    # A cut: the learning rate still follows the epochs.
    max_steps: _Count = 0
    log_every: _Positive = 50
    save_every_epochs: _Positive = 1
    watch_videos: _Count = 4
    on_non_finite: Literal["stop", "skip"] = "stop"
    profile: tuple[int, ...] = ()
    wandb: str = ""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The test sets, and how many videos and views are predicted together."""

    sets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    batch_size: _Positive = 8
    # Memory would grow with the number of views if all went through together.
    view_chunk: _Positive = 32


@dataclasses.dataclass(frozen=True)
class Settings:
    """A whole config."""

    data: Data
    model: Model
    training: Training
    recipe: str = "paper"  # for the record: its numbers are in the sections
    seed: int = 0
    init: Init = dataclasses.field(default_factory=Init)
    method: Method = dataclasses.field(default_factory=Method)
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)

    @classmethod
    def read(cls, config: ml_collections.ConfigDict) -> Self:
        """Returns the settings of a run to be started.

        Raises:
            ConfigError: naming the key that is wrong, or keys that contradict.
        """
        settings = cls.parse(config.to_dict())
        _check_names(settings)
        _check_method(settings.method, settings.data)
        _check_streams(settings.data)
        _check_ghost_groups(settings)
        return settings

    @classmethod
    def parse(cls, config: sections.Section) -> Self:
        """Returns the settings with each key checked by itself.

        For finished runs and imported weights: whether method and data go together is
        checked when a run starts.

        Raises:
            ConfigError: naming the key that is wrong.
        """
        return sections.read(cls, "", config)

    @classmethod
    def of_run(cls, folder: pathlib.Path) -> Self:
        """Returns the settings of the finished run in `folder`.

        Raises:
            DataError: if there is no finished run, or its config is damaged.
        """
        # results.json is written last: without it, a run has not finished.
        for name in ("config.json", "results.json"):
            if not (folder / name).exists():
                raise errors.DataError(
                    f"no finished run in {folder} (it has no {name}); start or finish "
                    f"one: python main.py --config configs/NAME.py --workdir {folder}"
                )
        path = folder / "config.json"
        try:
            return cls.parse(file_io.read_json(path, "copy the run again"))
        except errors.ConfigError as error:
            raise errors.DataError(f"{path} is damaged: {error}") from error

    def with_data(self, root: pathlib.Path, *, test_views: int = 0) -> Self:
        """Returns the settings for data sets in `root`, and so many views if not 0."""
        # A stored root is a folder of the machine that trained.
        views = test_views or self.data.sampling.test_views
        frames = dataclasses.replace(self.data.sampling, test_views=views)
        data = dataclasses.replace(self.data, root=str(root), sampling=frames)
        return dataclasses.replace(self, data=data)

    def for_videos(self, count: int) -> Self:
        """Returns the settings with epochs in place of what is relative to the data.

        Args:
            count: Number of training videos.
        """
        training, section = self.training, self.optimizer
        epochs, warmup = training.epochs, section.warmup_epochs
        if training.num_clips:
            epochs = max(1, round(training.num_clips / max(1, count)))
        if section.warmup_share:
            # At least an epoch: a rate that starts at its peak can undo the first one.
            warmup = max(1, round(section.warmup_share * epochs))
        return dataclasses.replace(
            self,
            training=dataclasses.replace(training, epochs=epochs),
            optimizer=dataclasses.replace(section, warmup_epochs=warmup),
        )


def _check_names(settings: Settings) -> None:
    """Checks the names of splits, streams and aspects."""
    data, aspects = settings.data, settings.method.aspects
    places = {f"data.web.{name}.split": one.split for name, one in data.web.items()}
    places |= {"data.target": data.target} if data.target else {}
    # Test sets are not among them: an empty one is switched off.
    for key, place in {"data.train": data.train, **places}.items():
        if "/" not in place:
            raise errors.ConfigError(f"{key} must be DATASET/SPLIT, not {place!r}")
    for name in data.web:
        check_name(name)
    for name in (*aspects, *filter(None, [data.groups])):
        aspect_names.get(name)
    if len(set(aspects)) < len(aspects):
        raise errors.ConfigError(f"method.aspects={aspects} repeats one")


def _check_method(method: Method, data: Data) -> None:
    """Checks that the method gets what it needs, and nothing that it has no use for."""
    inputs = methods.Inputs(
        target=data.target,
        groups=data.groups,
        holdout=data.holdout,
        masked=data.masked is not None,
        views=data.sampling.test_views,
        clips=data.sampling.train_clips,
        settings=method.settings,
    )
    methods.check(method.name, inputs)


def _check_streams(data: Data) -> None:
    """Checks that the streams can be used together."""
    # A batch of web data has neither unlabelled videos nor masked clips beside it.
    for key, other in (("data.target", data.target), ("data.masked", data.masked)):
        if data.web and other:
            raise errors.ConfigError(
                f"{key} and the web streams of data.web cannot be used together; leave "
                "one of them out"
            )
    for name, stream in data.web.items():
        if stream.num_frames == 1 and data.sampling.input == "difference":
            raise errors.ConfigError(
                f"data.web.{name}.num_frames=1 is a still image, which has no "
                "differences; leave the stream out, or use "
                "--config.data.sampling.input=rgb+difference"
            )


def _check_ghost_groups(settings: Settings) -> None:
    """Checks that ghost groups divide whatever passes the network together."""
    sizes, clips = settings.data.batch_sizes, settings.data.sampling.train_clips
    if settings.data.target:  # both halves share a forward pass and its statistics
        sizes = {" + ".join(sizes): sum(sizes.values())}
    if clips > 1:  # a method gets the clips of a video as so many videos
        sizes = {
            f"data.sampling.train_clips * ({k})": clips * n for k, n in sizes.items()
        }
    ghost_size = settings.model.ghost_size
    for key, batch_size in sizes.items():
        # A batch no larger than a group is one group.
        if 0 < ghost_size < batch_size and batch_size % ghost_size:
            raise errors.ConfigError(
                f"{key} must be a multiple of model.ghost_size {ghost_size}, or at "
                f"most that, but it is {batch_size}"
            )
