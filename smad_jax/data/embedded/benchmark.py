"""The embedded benchmark: videos of stick figures whose scene reveals the action.

Ten actions, sixteen procedural scenes (four of them rare) and eight objects. A setting
decides how much scene and object depend on the action, so the representation bias of
Sec. 3 can be set, measured and removed. NumPy only; `data_prep.embedded` stores the
clips as encoded video and labels them.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data.embedded import look, random_draws, scenes, stick_actor

NAME = "embedded"  # in configs, for any draw of it
LASTING_NAME = "embedded-lasting"  # the edition whose bias outlasts training
MILDER_NAME = "embedded-milder"  # the same with a weaker bias, which fades slowly
LARGE_NAME = "embedded-large"  # the same bias in larger, longer and harder videos
WEB_NAME = "embedded-web"  # the web data of all
EDITIONS = (NAME, LASTING_NAME, MILDER_NAME, LARGE_NAME)
DRAWN = (*EDITIONS, WEB_NAME)  # data sets with a folder for each draw
ACTIONS = stick_actor.ACTIONS
SCENES = tuple(scenes.SCENES)
NUM_COMMON_SCENES = scenes.NUM_COMMON_SCENES
OBJECTS = tuple(scenes.OBJECTS)
NONE = -1  # no actor, or no object

FIRST_LOOK = look.Look()
_CHUNK = 131_072  # pixels drawn together, whose arrays fit the processor's cache


def folder_name(seed: int, scale: float = 1.0, *, name: str = NAME) -> str:
    """Returns the folder of one draw of an edition, or of the web data.

    Args:
        seed: Number of the draw.
        scale: Share of the benchmark's videos.
        name: One of `DRAWN`.

    Raises:
        ConfigError: if there is no such draw.
    """
    if seed < 0:
        raise errors.ConfigError(f"seed must be at least 0, not {seed}")
    if not 0.02 <= scale <= 1:
        raise errors.ConfigError(f"scale must be from 0.02 to 1, not {scale:g}")
    return f"{name}-seed{seed}" + ("" if scale == 1 else f"-x{scale:g}")


@dataclasses.dataclass(frozen=True)
class Bias:
    """The dependence of scene and object on the action; independent given the action.

    Action a has label (a + offset) mod the number of labels with the share of that
    offset; the other labels divide the rest equally.

    Attributes:
        strength: 0 for labels independent of the action, 1 for the shares below, a
            mixture in between.
        scene_offsets, scene_shares: Of the twelve common scenes.
        object_offsets, object_shares: Of the eight objects.
        object_absent: Share of clips without an object.
    """

    strength: float = 1.0
    scene_offsets: tuple[int, ...] = (0, 1, 5, 8)
    scene_shares: tuple[float, ...] = (0.30, 0.20, 0.14, 0.10)
    object_offsets: tuple[int, ...] = (0, 3, 5)
    object_shares: tuple[float, ...] = (0.38, 0.22, 0.14)
    object_absent: float = 0.10

    def __post_init__(self):
        for name in ("strength", "object_absent"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise errors.ConfigError(f"{name} must be in 0..1, but it is {value}")
        for name in ("scene", "object"):
            shares = getattr(self, f"{name}_shares")
            offsets = getattr(self, f"{name}_offsets")
            if min(shares, default=0) < 0 or sum(shares) > 1:
                raise errors.ConfigError(
                    f"{name}_shares must be at least 0 and sum to at most 1, but "
                    f"they are {shares}"
                )
            if len(set(offsets)) != len(shares) or len(offsets) != len(shares):
                raise errors.ConfigError(
                    f"{name}_offsets must be {len(shares)} different numbers, one for "
                    f"each share, but they are {offsets}"
                )

    def scene_given_action(self) -> np.ndarray:
        """Returns P(scene | action), [K, 12], each row summing to 1."""
        return self._given_action(
            self.scene_offsets, self.scene_shares, NUM_COMMON_SCENES
        )

    def object_given_action(self) -> np.ndarray:
        """Returns P(object | action) of clips with an object, [K, 8]."""
        return self._given_action(self.object_offsets, self.object_shares, len(OBJECTS))

    def _given_action(
        self, offsets: tuple[int, ...], shares: tuple[float, ...], num_labels: int
    ) -> np.ndarray:
        rows = _favourites(offsets, shares, num_labels, num_labels)
        return self.strength * rows + (1 - self.strength) / num_labels


@dataclasses.dataclass(frozen=True)
class WebBias:
    """The dependence of web media's scene on their action, and their label noise.

    It is stronger than that of videos, as in web data (Sec. 5.2), but every scene
    occurs, even the rare ones. Objects are those of `Bias`.

    Attributes:
        scene_offsets, scene_shares: Favourites of action a among the twelve common
            scenes, as in `Bias`; the other fourteen scenes divide the rest.
        random_labels: Share of media with a uniformly random label, the true one
            included: a web search also returns wrong media.
    """

    scene_offsets: tuple[int, ...] = (0, 7)
    scene_shares: tuple[float, ...] = (0.55, 0.17)
    random_labels: float = 0.20

    def scene_given_action(self) -> np.ndarray:
        """Returns P(scene | action), [K, 16], each row summing to 1."""
        return _favourites(
            self.scene_offsets, self.scene_shares, NUM_COMMON_SCENES, len(SCENES)
        )


def _favourites(
    offsets: tuple[int, ...], shares: tuple[float, ...], cycle: int, num_labels: int
) -> np.ndarray:
    """[K, Z]: action a has label (a + offset) mod `cycle` with the offset's share."""
    others = max(num_labels - len(offsets), 1)
    rows = np.full((len(ACTIONS), num_labels), (1 - sum(shares)) / others)
    for action, row in enumerate(rows):
        row[(np.asarray(offsets, int) + action) % cycle] = shares
    return rows


class Factors(NamedTuple):
    """The content of V clips; each [V] int64.

    Attributes:
        action: Index into `ACTIONS`, or `NONE`.
        scene: Index into `SCENES`.
        object: Index into `OBJECTS`, or `NONE`.
    """

    action: np.ndarray
    scene: np.ndarray
    object: np.ndarray


class Clips(NamedTuple):
    """V rendered clips.

    Attributes:
        video: [V, T, H, W, 3] uint8, RGB.
        actor: [V, T, H, W] bool, True on the actor's pixels (outline included).
    """

    video: np.ndarray
    actor: np.ndarray


def _draw_labels(rng: np.random.Generator, probability: np.ndarray) -> np.ndarray:
    """Draws one label for each row of `probability` [V, Z]."""
    threshold = np.cumsum(probability, axis=1)
    chosen = (rng.random((len(probability), 1)) * threshold[:, -1:] >= threshold).sum(1)
    return chosen.astype(np.int64)


def draw_factors(num_videos: int, *, seed: int, stream: int, bias: Bias) -> Factors:
    """Returns the factors of a set with equally many videos of each action.

    Args:
        num_videos: V; action k has every K-th video.
        seed: Of the data set.
        stream: Number of the set within the data set.
        bias: The joint distribution.
    """
    rng = np.random.default_rng((seed, stream))
    return _draw(rng, num_videos, bias.scene_given_action(), bias)


def _draw(
    rng: np.random.Generator, num_videos: int, scenes_given: np.ndarray, objects: Bias
) -> Factors:
    """Draws factors by P(scene | action), [K, Z], and the objects of a `Bias`."""
    action = np.arange(num_videos) % len(ACTIONS)
    scene = _draw_labels(rng, scenes_given[action])
    item = _draw_labels(rng, objects.object_given_action()[action])
    absent = rng.random(num_videos) < objects.object_absent
    return Factors(action, scene, np.where(absent, NONE, item))


def draw_rare_factors(num_videos: int, *, seed: int, stream: int) -> Factors:
    """Returns factors with a uniform rare scene and object: the analogue of ARAS."""
    rng = np.random.default_rng((seed, stream))
    action = np.arange(num_videos) % len(ACTIONS)
    scene = rng.integers(NUM_COMMON_SCENES, len(SCENES), num_videos)
    return Factors(action, scene, rng.integers(0, len(OBJECTS), num_videos))


class WebMedia(NamedTuple):
    """The content of V web media, and their labels.

    Attributes:
        factors: Their content.
        label: [V] int64, the action of the search query.
    """

    factors: Factors
    label: np.ndarray


def draw_web_media(
    num_media: int, *, seed: int, stream: int, bias: WebBias
) -> WebMedia:
    """Returns V web media, equally many of each action; see `draw_factors`."""
    rng = np.random.default_rng((seed, stream))
    factors = _draw(rng, num_media, bias.scene_given_action(), Bias())
    anything = rng.integers(0, len(ACTIONS), num_media)
    is_random = rng.random(num_media) < bias.random_labels
    return WebMedia(factors, np.where(is_random, anything, factors.action))


def _pan(draws: random_draws.Draws, canvas: np.ndarray, how: look.Look) -> np.ndarray:
    """Crops [V, T, H, W, 3] out of the canvas, moving by whole pixels."""
    room = canvas.shape[1] - how.size
    start = draws.uniform(0, room, 2)
    velocity = draws.uniform(-2.4, 2.4, 2) * how.scale  # in the whole video
    shake = draws.normal(0.4 * how.scale, how.num_frames, 2)
    time = np.arange(how.num_frames)[:, None] / how.num_frames
    path = start[:, None] + velocity[:, None] * time + shake
    path = np.clip(np.rint(path), 0, room).astype(int)
    rows = path[..., 0, None] + np.arange(how.size)  # [V, T, H]
    columns = path[..., 1, None] + np.arange(how.size)
    clip = np.arange(len(canvas))[:, None, None, None]
    return canvas[clip, rows[..., :, None], columns[..., None, :]]


def _render_chunk(factors: Factors, draws: random_draws.Draws, how: look.Look) -> Clips:
    canvas = scenes.draw_backgrounds(draws, factors.scene, how)
    canvas = scenes.draw_objects(draws, canvas, factors.object, how)
    frames = _pan(draws, canvas, how)
    actor = np.zeros(frames.shape[:-1], bool)
    rows = np.flatnonzero(factors.action != NONE)
    if len(rows):
        drawing = stick_actor.draw_actors(draws.take(rows), factors.action[rows], how)
        frames[rows] += (drawing.colour - frames[rows]) * drawing.cover[..., None]
        actor[rows] = drawing.cover >= 0.5
    frames += draws.normal(0.02, *frames.shape[1:])
    return Clips(np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8), actor)


def render(
    factors: Factors,
    *,
    seed: int,
    stream: int,
    start: int = 0,
    how: look.Look = FIRST_LOOK,
) -> Clips:
    """Returns the clips that show `factors`.

    Rendering a set in pieces gives the same pixels as rendering it at once:
    `render(rows a..b, start=a)` equals rows a..b of the whole.

    Args:
        factors: Of V clips.
        seed: Of the data set.
        stream: Number of the set within the data set.
        start: Position of the first of these clips in its set.
        how: How they look.
    """
    num_videos = len(factors.scene)
    shape = (num_videos, how.num_frames, how.size, how.size)
    clips = Clips(np.empty((*shape, 3), np.uint8), np.empty(shape, bool))
    together = max(1, _CHUNK // (how.num_frames * how.size**2))
    for begin in range(0, num_videos, together):
        rows = slice(begin, min(begin + together, num_videos))
        draws = random_draws.Draws.of(seed, stream, start + np.arange(num_videos)[rows])
        part = Factors(*(values[rows] for values in factors))
        clips.video[rows], clips.actor[rows] = _render_chunk(part, draws, how)
    return clips
