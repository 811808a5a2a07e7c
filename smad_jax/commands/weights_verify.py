"""`weights verify`: a network of ours against PyTorch's, from the same file."""

import pathlib

from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.commands import checkpoint_options

add_arguments = checkpoint_options.add_options


def run(
    *,
    checkpoint: pathlib.Path,
    model: str,
    layout: str | None,
    foreign: list[str],
    allow: list[str],
) -> str | None:
    """Returns the difference of each stage.

    Raises:
        DataError: if one is larger than rounding leaves.
    """
    from smad_jax.torch_weights import transfer

    differences, equal = transfer.verify_weights(
        checkpoint, model, layout=layout, foreign=foreign, allow=allow
    )
    text = "\n".join(map(str, differences))
    if equal:
        return text
    command_line.show(text)
    raise errors.DataError(f"{checkpoint} gives other numbers here than in PyTorch")
