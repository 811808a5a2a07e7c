"""The inputs of every golden case: sizes, labels and hyper-parameters, in NumPy."""

from typing import NamedTuple, TypedDict

import numpy as np

from tests.golden import draws

NUM_CLASSES = 5
SAAR_WIDTH = 64

# Whole networks, by name and shortcut, on sizes that are odd all the way down.
NETWORKS = (
    "resnet18",
    "resnet50",
    "slowonly_r18",
    "slowonly_r50",
    "resnet3d_18",
    "resnet3d_18 A",
)
ODD = (2, 3, 41, 36, 3)


# Three steps of training: small networks of every kind, and the paper's own.
class Trained(NamedTuple):
    """A network by name and shortcut, and what differs in its adversaries."""

    network: str
    shortcut: str = "B"
    kl_reduction: str = "batchmean"
    ramp_steps: int = 0  # of DANN's ramp; 0: at full strength from the start


TRAINED = {
    "slowonly": Trained("slowonly"),
    "bottleneck": Trained("bottleneck", kl_reduction="mean"),
    "hara": Trained("hara", "A detached", ramp_steps=20),
    "slowonly_r18": Trained("slowonly_r18"),
}
SMALL_SAAR_WIDTH = 3
ASPECTS = {"scene": ("soft", 4), "object": ("soft", 6), "event": ("tags", 3)}
STEPS = 3
CLIP_NORM = 3.0
VIDEO = (3, 4, 37, 42, 3)


class Batch(TypedDict):
    """One batch as a training stream gives it."""

    video: np.ndarray
    label: np.ndarray
    aspects: dict[str, np.ndarray]
    aspect_mask: dict[str, np.ndarray]


class Schedule(NamedTuple):
    """A cosine with warm-up: base rate, epochs, epochs of warm-up, steps an epoch."""

    base: float
    epochs: int
    warmup_epochs: int
    steps_per_epoch: int


TRAINING_SCHEDULE = Schedule(0.1, epochs=2, warmup_epochs=1, steps_per_epoch=2)

# Joint training: images in larger batches, and clips like those of the target.
JOINT_STEPS, JOINT_EVERY = 5, 2
JOINT_WEB = {"clips": 2, "images": 1}  # batches at each turn
JOINT_SHAPES = {
    "train": VIDEO,
    "clips": VIDEO,
    "images": (6, 1, 40, 36, 3),
}
JOINT_SCHEDULE = Schedule(0.1, epochs=3, warmup_epochs=1, steps_per_epoch=2)
JOINT_CLIP_NORM = 2.0

STEPS_PER_EPOCH = 5
SLOWONLY_SCHEDULE = Schedule(0.2, 196, 34, STEPS_PER_EPOCH)


def update_name(step: int, place: int) -> str:
    """What the arrays of an update begin with: its step, and its place if not first."""
    return f"{step}.{place}" if place else f"{step}"


def batch(step: int) -> Batch:
    """The batch of one training step; one video lacks its tags."""
    rng = np.random.default_rng(step)
    size = VIDEO[0]
    labels, masks = {}, {}
    for name, (kind, number) in ASPECTS.items():
        if kind == "soft":
            labels[name] = rng.dirichlet(np.ones(number), size)
        else:
            labels[name] = rng.integers(0, 2, (size, number)).astype(np.float64)
        masks[name] = np.array([True, kind == "soft", True])
    return {
        "video": draws.normal(f"video {step}", VIDEO),
        "label": rng.integers(0, NUM_CLASSES, size).astype(np.int32),
        "aspects": labels,
        "aspect_mask": masks,
    }


def joint_batch(stream: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Videos and labels of one batch of a stream of joint training."""
    video = draws.normal(f"{stream} {number}", JOINT_SHAPES[stream])
    rng = np.random.default_rng(number)
    return video, rng.integers(0, NUM_CLASSES, len(video)).astype(np.int32)


# Methods that adapt to unlabelled videos: two of them beside the three with labels.
ADAPTING = ("dann", "mmd")
TARGET_VIDEO = (2, *VIDEO[1:])
DOMAIN_WEIGHT = 0.7
DISCRIMINATOR = (6, 9)  # its hidden widths


# SDN: an update on whole clips, then one on others with the people painted out.
REVERSAL = 0.5
CONFUSION_WEIGHT = 0.8
SCENE_HIDDEN = (7, 9)


def target_video(step: int) -> np.ndarray:
    """The unlabelled videos of one training step."""
    return draws.normal(f"target {step}", TARGET_VIDEO)


def masked_video(step: int) -> np.ndarray:
    """The clips without people of one training step, without looking at pixels."""
    return draws.normal(f"masked {step}", TARGET_VIDEO)


# Losses: one soft label and one row of tags hold zeros.
LOGITS = 3 * draws.normal("logits", (4, 6))
LABEL = np.array([5, 0, 2, 2])
SOFT_LABEL = np.random.default_rng(1).dirichlet(np.ones(6), 4)
SOFT_LABEL[1] = [0, 1, 0, 0, 0, 0]
TAGS = np.random.default_rng(2).integers(0, 2, (4, 6)).astype(np.float64)
TAGS[3] = 0
MASK = np.array([True, False, True, False])

# Gradients around the limit of 40, which the reference compares with norm + 1e-6.
CLIPPED = ((3, 2), (5,))
NORMS = (0.0, 1e-8, 39.0, 40.0, 40.0000005, 41.0, 1e6)


def gradients(norm: float) -> list[np.ndarray]:
    """Arrays of the shapes `CLIPPED` with this global norm."""
    drawn = [draws.normal(f"gradient {shape}", shape) for shape in CLIPPED]
    length = np.sqrt(sum((array**2).sum() for array in drawn))
    return [array * (norm / length) for array in drawn]


GHOST = (8 * 16, 2, 3, 2, 5)
