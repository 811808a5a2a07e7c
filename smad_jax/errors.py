"""The errors a user can cause, each with the exit code of the command line.

Everything else that goes wrong is a defect of ours and shows its traceback.
"""


class UserError(ValueError):
    """Base class; `main.py` prints the message alone and exits with `exit_code`."""

    exit_code = 1


class ConfigError(UserError):
    """The command or the config asks for something that does not exist."""

    exit_code = 2


class DataError(UserError):
    """Data is missing, malformed, or worse than the limits allow."""

    exit_code = 3


class NonFiniteLossError(UserError):
    """A loss or gradient stopped being a finite number."""

    exit_code = 4
