"""The keys of a config by section, each with its type, range and plainest value.

`configs/base.py` explains each key. One that a stored config lacks came later, and had
the effect of the value here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

from smad_jax.base.sections import Range
from smad_jax.data import video_facts
from smad_jax.data.masking import MaskedStream
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform
from smad_jax.data.web import WebStream
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
    max_picture_pixels: _Positive = video_facts.Limits().picture
    max_clip_pixels: _Positive = video_facts.Limits().clip
    # In alphabetical order, which is that of their turns.
    web: Mapping[str, WebStream] = dataclasses.field(default_factory=dict)
    web_every: _Positive = 1
    masked: MaskedStream | None = None

    @property
    def limits(self) -> video_facts.Limits:
        """The most pixels to decode."""
        return video_facts.Limits(self.max_picture_pixels, self.max_clip_pixels)

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
    # float64 is for comparisons, and needs JAX's x64 mode; the config in a run's folder
    # has what `auto` was.
    dtype: Literal["auto", "float32", "bfloat16", "float64"] = "float32"
    remat: layers.Remat = ""


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
    accumulate: _Positive = 1
    model_axis: _Positive = 1
    ema: Annotated[float, Range(least=0, below=1)] = 0.0
    log_every: _Positive = 50
    save_every_epochs: _Positive = 1
    watch_videos: _Count = 4
    on_non_finite: Literal["stop", "skip"] = "stop"
    # One batch may be bad; a run that diverged skips all that follow.
    non_finite_limit: Annotated[float, Range(least=0, most=1)] = 0.05
    profile: tuple[int, ...] = ()
    wandb: str = ""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The test sets, and how many videos and views are predicted together."""

    sets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    batch_size: _Positive = 8
    # Memory would grow with the number of views if all went through together.
    view_chunk: _Positive = 32
    every_epochs: _Count = 0
    during: tuple[str, ...] = ()
