"""Train step and forward of our networks, against the same networks in PyTorch.

    pip install -r requirements-parity.txt
    python -m tests.benchmarks.step_speed --threads 1 --write docs/performance.md
    python -m tests.benchmarks.step_speed --only slowonly_tiny:4x32 --repeats 3

Both are in one process with the same weights and clips, in float32, and are measured in
turns. A *train* step is forward and backward with the statistics of the batch, without
the optimiser; *forward* is a test step. PyTorch runs in both memory layouts; the ratio
is ours over the faster one, below 1 where ours is faster. Before anything is measured
both must agree on the logits and on the loss.
"""

import functools
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch.nn import functional

from smad_jax import models
from smad_jax.models import compiler_options
from smad_jax.training import host_memory, train_state
from tests.benchmarks import measuring
from tests.golden import draws
from tests.helpers import networks, torch_models

NUM_CLASSES = 400
STEPS = ("train", "forward")
HEADER = (
    *("network", "input", "step", "ours, ms", "PyTorch, ms", "its layout"),
    *("ratio", "in each round"),
)
Calls = dict[str, Callable[[], np.ndarray]]


class Row(NamedTuple):
    """A network by its name in `models.MODELS`, and the clips that it is given."""

    model: str
    frames: int
    size: int
    batch: int = 2

    def __str__(self) -> str:
        return f"{self.model}:{self.frames}x{self.size}"

    @property
    def shape(self) -> tuple[int, ...]:
        """[B, T, H, W, 3]."""
        return self.batch, self.frames, self.size, self.size, 3


ROWS = (
    Row("slowonly_r18", 8, 56),
    Row("slowonly_r18", 8, 112),
    Row("slowonly_r18", 8, 224),
    Row("resnet3d_18", 16, 112),
    Row("resnet50", 3, 64),
    Row("resnet50", 3, 112),
    Row("resnet50", 3, 224),
    Row("slowonly_tiny", 4, 32, batch=16),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = measuring.parser("step_speed", repeats=5)
    names = [str(row) for row in ROWS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="R")
    parser.add_argument("--threads", type=int, choices=(1, 2), default=1)
    chosen = parser.parse_args(arguments)
    clock = measuring.keep_to(chosen.threads)
    host_memory.use_large_pages()  # as the commands do; PyTorch has them then, too
    torch.set_num_threads(chosen.threads)
    found = []
    for row in ROWS:
        if str(row) in chosen.only:
            print(row, file=sys.stderr, flush=True)  # the whole table takes minutes
            found += compare(row, chosen.repeats, clock)
    threads = "one thread" if chosen.threads == 1 else "two threads"
    time = "processor" if chosen.threads == 1 else "real"
    note = (
        f"Milliseconds of {time} time on {threads}, medians of {chosen.repeats}; "
        f"{measuring.versions('jax', 'jaxlib', 'torch')}."
    )
    part = f"step_speed_{chosen.threads}"
    measuring.publish(part, HEADER, found, note=note, page=chosen.write)
    return 0


def compare(row: Row, repeats: int, clock: measuring.Clock) -> list[list[str]]:
    """Returns two lines of the table: the train step and the forward.

    Raises:
        RuntimeError: if ours and PyTorch's compute something else.
    """
    own = ours(row)
    layouts = {
        "contiguous": torch.contiguous_format,
        "channels last": (
            torch.channels_last
            if torch_models.BACKBONES[row.model]().dims == 2
            else torch.channels_last_3d
        ),
    }
    others = {name: theirs(row, layout) for name, layout in layouts.items()}
    lines = []
    # The forward comes first: a train step changes the running statistics of PyTorch's.
    for step in reversed(STEPS):
        for name, other in others.items():  # it also compiles and warms up
            check(own[step](), other[step](), f"{row}, {step}, {name}")
        calls = {name: other[step] for name, other in others.items()}
        found = measuring.alternate(calls | {"ours": own[step]}, repeats, clock)
        middle = {name: 1e3 * statistics.median(found[name]) for name in found}
        best = min(layouts, key=lambda name: middle[name])
        lines.append(
            [
                f"`{row.model}`",
                "x".join(map(str, row.shape[:3])),
                step,
                f"{middle['ours']:.1f}",
                f"{middle[best]:.1f}",
                best,
                *measuring.ratio(found["ours"], found[best]),
            ]
        )
    return lines[::-1]


def check(own: np.ndarray, other: np.ndarray, what: str) -> None:
    """Checks that both sides computed the same, to float32's rounding in a deep net."""
    if not np.allclose(own, other, rtol=1e-2, atol=1e-2 * np.abs(other).max()):
        raise RuntimeError(f"{what}: ours gives {own}, PyTorch {other}")


def ours(row: Row, dtype: str = "float32") -> Calls:
    """Returns our steps; `train` gives the loss, `forward` the logits."""
    graph, params, stats = networks.drawn(
        lambda: models.build_model(
            row.model, NUM_CLASSES, dtype=dtype, rngs=nnx.Rngs(0)
        ),
        dtype,
    )
    clips, labels = (jnp.asarray(array) for array in batch(row, dtype))

    @jax.jit
    def forward(
        params: train_state.Tree, stats: train_state.Tree, clips: jax.Array
    ) -> jax.Array:
        model = train_state.merge(graph, params, stats)
        return model(clips, train=False).logits

    spec = models.MODELS[row.model]
    options = compiler_options.for_train_step(spec, row.size, "cpu")

    @functools.partial(jax.jit, compiler_options=options)
    @functools.partial(jax.value_and_grad, has_aux=True)
    def train(
        params: train_state.Tree,
        stats: train_state.Tree,
        clips: jax.Array,
        labels: jax.Array,
    ) -> tuple[jax.Array, train_state.Tree]:
        model = train_state.merge(graph, params, stats)
        scores = jax.nn.log_softmax(model(clips, train=True).logits)
        chosen = jnp.take_along_axis(scores, labels[:, None], axis=1)
        return -chosen.mean(), train_state.batch_stats_of(model)

    def run(step: Callable[[], object]) -> np.ndarray:
        found = jax.block_until_ready(step())
        return np.asarray(jax.tree.leaves(found)[0])

    return {
        "train": lambda: run(lambda: train(params, stats, clips, labels)),
        "forward": lambda: run(lambda: forward(params, stats, clips)),
    }


def theirs(row: Row, layout: torch.memory_format, dtype: str = "float32") -> Calls:
    """Returns the same steps in PyTorch, with arrays in the memory layout."""
    module = torch_models.Recognizer(torch_models.BACKBONES[row.model](), NUM_CLASSES)
    module.to(getattr(torch, dtype))
    torch_models.load(module, draws.weights)
    for weight in module.parameters():
        if weight.ndim > 2:  # of a convolution
            weight.data = weight.data.contiguous(memory_format=layout)
    clips, labels = batch(row, dtype)
    video, target = torch_models.to_video(clips), torch.from_numpy(labels).long()
    if layout == torch.channels_last_3d:
        video = video.contiguous(memory_format=layout)

    def train() -> np.ndarray:
        module.train()
        module.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(module(video), target)
        loss.backward()
        return loss.detach().numpy()

    def forward() -> np.ndarray:
        module.eval()
        with torch.inference_mode():
            return module(video).numpy()

    return {"train": train, "forward": forward}


def batch(row: Row, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns clips [B, T, H, W, 3], normalised, and labels [B]."""
    clips = draws.normal(f"clips {row}", row.shape).astype(dtype)
    return clips, np.arange(row.batch, dtype=np.int32) % NUM_CLASSES


if __name__ == "__main__":
    sys.exit(main())
