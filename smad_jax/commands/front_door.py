"""The one program: all commands in groups, and how the one that was named is run.

A command's module is imported when it is run, not before, so that a list or a mistake
answers at once.
"""

import dataclasses
import difflib
import importlib
import pathlib
import sys
from collections.abc import Mapping, Sequence

from smad_jax import errors
from smad_jax.base import command_line

DATA = "Prepare data"
GROUPS: Mapping[str, Mapping[str, str]] = {
    "Train": {
        "train": "train and test one experiment",
        "study": "compare all arms of a study over several seeds",
        "tune": "tune the hyper-parameters of every arm of a study",
    },
    "Measure a network": {
        "evaluate": "measure accuracy, fairness and worst groups on any test set",
        "predict": "list likely actions of a folder of videos, with a sheet of "
        "pictures",
        "features": "store the features of every video of a split",
        "few_shot": "measure few-shot accuracy on stored features",
        "svm": "measure linear SVMs on stored features, over several splits",
        "probe": "measure what a linear probe reads about the scene from features",
    },
    "Report": {
        "audit": "write a page on the bias of any classifier's predictions",
        "compare": "print a table of two runs",
        "table": "print a table of the paper beside our numbers",
        "picture": "draw frames of a run with what its network looks at",
        "cam": "draw where two networks look in a video (Fig. 7)",
        "overlap": "draw the accuracy lost as scenes overlap less (Fig. 3)",
    },
    "Exchange networks": {
        "export": "write a trained network as a program that JAX alone can run",
        "weights import": "read a .pth or .safetensors file of PyTorch into a folder",
        "weights export": "write a folder of weights as a PyTorch file",
        "weights verify": "compare a network with PyTorch, stage by stage",
    },
    DATA: {
        "check_data": "count the missing, broken, short and duplicated videos of a "
        "list",
        "build_records": "build a data set from videos and their classes",
        "add_splits": "add splits to a data set from lists of its videos",
        "pseudo_label": "store soft labels of an aspect beside a data set's videos",
        "hvu_tags": "store HVU's tags of event, attribute and concept beside a data "
        "set's videos",
        "k200db": "write splits whose validation shows each action in rare scenes",
        "aras": "write the ARAS test splits in the training data's class numbers",
        "teacher_filter": "keep the web media whose label a teacher also predicts",
        "still_bank": "choose the videos whose frames alone reveal the action, for "
        "StillMix",
        "omnidebias": "divide web media by the frequency of their scene in the action",
        "nmi_report": "measure how far scene or object reveal the action, as table "
        "and figure",
        "background_swap": "make test sets of actors over other backgrounds",
        "tfds_files": "add the files that let TensorFlow Datasets open a data set",
        "embedded": "make the embedded benchmark, unless it exists",
    },
}
COMMANDS = {name: line for group in GROUPS.values() for name, line in group.items()}


def module(command: str) -> str:
    """Returns the module of a command."""
    room = "data_prep" if command in GROUPS[DATA] else "smad_jax.commands"
    name = "embedded.make" if command == "embedded" else command.replace(" ", "_")
    return f"{room}.{name}"


def program() -> str:
    """Returns how the program was called."""
    installed = pathlib.Path(sys.argv[0]).name == "smad"
    return "smad" if installed else "python -m smad_jax"


def main(arguments: Sequence[str]) -> int:
    """Lists the commands, or runs the one that is named; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return command_line.run(listing)
    if arguments[0] == "--version":
        return command_line.run(command_line.version)
    words = f"{arguments[0]} "
    inner = {n.removeprefix(words): n for n in COMMANDS if n.startswith(words)}
    if inner and arguments[1:2] in ([], ["-h"], ["--help"]):
        return OldName(f"{program()} {arguments[0]}", inner)(arguments[1:])
    return _dispatch(program(), {name: name for name in COMMANDS}, arguments)


def listing() -> str:
    """Returns all commands in groups, one line each."""
    lines = [f"usage: {program()} COMMAND [OPTION ...]"]
    for title, commands in GROUPS.items():
        lines += ["", title]
        lines += [f"  {name:<18}{line}" for name, line in commands.items()]
    return "\n".join([*lines, "", f"{program()} COMMAND --help lists its options."])


@dataclasses.dataclass(frozen=True)
class OldName:
    """A name for some of the commands, as of an older program; calling it runs one.

    Attributes:
        program: How it is called, `python -m smad_jax.evaluation`.
        commands: For each of its names, the command's.
    """

    program: str
    commands: Mapping[str, str]

    def __call__(self, arguments: Sequence[str] | None = None) -> int:
        """Runs the command that is named; returns the exit code."""
        arguments = sys.argv[1:] if arguments is None else arguments
        asks = bool(arguments) and arguments[0] in ("-h", "--help")
        if not arguments or asks:
            lines = [f"usage: {self.program} COMMAND [OPTION ...]", ""]
            lines += [f"  {n:<10}{COMMANDS[c]}" for n, c in self.commands.items()]
            text = "\n".join(lines)
            if asks:
                return command_line.run(lambda: text)
            command_line.on_standard_error(text)
            return errors.ConfigError.exit_code
        return _dispatch(self.program, self.commands, arguments)


def _dispatch(
    program: str, commands: Mapping[str, str], arguments: Sequence[str]
) -> int:
    """Runs the command that `arguments` begin with, in one word or two."""
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in commands:
            return _run(f"{program} {name}", commands[name], arguments[words:])
    name = arguments[0]
    near = (
        difflib.get_close_matches(" ".join(arguments[:2]), commands, 1, cutoff=0.8)
        or [known for known in commands if known.startswith(f"{name} ")]
        or difflib.get_close_matches(name, commands, 1)
    )
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    command_line.on_standard_error(
        f"error: no command {name!r}; {hint}{program} lists the commands"
    )
    return errors.ConfigError.exit_code


def _run(name: str, command: str, arguments: Sequence[str]) -> int:
    """Runs a command under the name that it was called by."""
    try:
        with errors.machine_explained():
            found = importlib.import_module(module(command))
    except errors.UserError as error:  # a package that is not installed
        command_line.on_standard_error(f"error: {error}")
        return error.exit_code
    if command == "train":  # its options are absl flags
        return found.main(arguments)
    return program_of(command, name)(arguments)


def program_of(command: str, name: str) -> command_line.Program:
    """Returns the program of a command but `train`, under a name."""
    found = importlib.import_module(module(command))
    if command in GROUPS[DATA]:  # a program of its own too
        return dataclasses.replace(found.main, name=name)
    stopped = getattr(found, "STOPPED", "stopped by Ctrl-C")
    line = COMMANDS[command]
    return command_line.Program(name, line, found.add_arguments, found.run, stopped)
