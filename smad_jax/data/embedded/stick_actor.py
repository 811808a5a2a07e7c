"""The actor of the embedded benchmark: a stick figure of ten limbs that acts.

A pose is ten angles. With the phase of the action, each swings between rest and full
swing or sways about rest; the table of these angles defines an action completely.
"""

from typing import NamedTuple

import numpy as np

from smad_jax.data.embedded import look, random_draws

# Angles in degrees from straight down towards +x, the way the actor faces; torso
# and head count their lean from straight up. Each limb: rest, swing, sway; its
# angle is rest + amplitude * (swing * (1 - cos phase) / 2 + sway * sin phase).
# Of two limbs the one on the -x side comes first, then the one on the +x side,
# which is the near one in side view.
_STAND = {
    "torso": ((0, 0, 0),),
    "head": ((0, 0, 0),),
    "upper arm": ((-16, 0, 0), (16, 0, 0)),
    "forearm": ((-8, 0, 0), (8, 0, 0)),
    "thigh": ((-6, 0, 0), (6, 0, 0)),
    "shin": ((-4, 0, 0), (4, 0, 0)),
}
_POSES = {
    "wave": {
        "upper arm": ((-16, 0, 0), (125, 0, 8)),
        "forearm": ((-8, 0, 0), (178, 0, 52)),
    },
    "jumping jack": {
        "upper arm": ((-18, -130, 0), (18, 130, 0)),
        "forearm": ((-12, -150, 0), (12, 150, 0)),
        "thigh": ((-4, -28, 0), (4, 28, 0)),
        "shin": ((-4, -28, 0), (4, 28, 0)),
    },
    "squat": {
        "upper arm": ((-16, -68, 0), (16, 68, 0)),
        "forearm": ((-8, -78, 0), (8, 78, 0)),
        "thigh": ((-8, -66, 0), (8, 66, 0)),
        "shin": ((-4, 24, 0), (4, -24, 0)),
    },
    "walk": {
        "torso": ((4, 0, 0),),
        "upper arm": ((2, 0, 30), (2, 0, -30)),
        "forearm": ((16, 0, 34), (16, 0, -34)),
        "thigh": ((3, 0, -34), (3, 0, 34)),
        "shin": ((-12, 0, -28), (-12, 0, 28)),
    },
    "kick": {
        "torso": ((2, -16, 0),),
        "head": ((2, -8, 0),),
        "upper arm": ((-22, -20, 0), (22, 14, 0)),
        "forearm": ((-8, -20, 0), (34, 20, 0)),
        "thigh": ((-3, 0, 0), (-14, 104, 0)),
        "shin": ((-3, 0, 0), (-24, 116, 0)),
    },
    "punch": {
        "torso": ((2, 8, 0),),
        "upper arm": ((36, -16, 0), (6, 82, 0)),
        "forearm": ((128, -10, 0), (138, -48, 0)),
        "thigh": ((-16, 0, 0), (16, 0, 0)),
        "shin": ((-12, 0, 0), (8, 0, 0)),
    },
    "bow": {
        "torso": ((2, 76, 0),),
        "head": ((2, 82, 0),),
        "upper arm": ((-2, 58, 0), (6, 58, 0)),
        "forearm": ((2, 74, 0), (10, 74, 0)),
        "thigh": ((-4, -3, 0), (2, -3, 0)),
        "shin": ((-3, 0, 0), (1, 0, 0)),
    },
    "clap": {
        "upper arm": ((-38, 14, 0), (38, -14, 0)),
        "forearm": ((-68, 152, 0), (68, -152, 0)),
    },
    "climb": {
        "upper arm": ((-132, 0, 32), (132, 0, 32)),
        "forearm": ((-172, 0, 14), (172, 0, 14)),
        "thigh": ((-34, 0, 30), (34, 0, 30)),
        "shin": ((12, 0, -26), (-12, 0, -26)),
    },
    "spin": {
        "upper arm": ((-88, 0, 0), (88, 0, 0)),
        "forearm": ((-92, 0, 0), (92, 0, 0)),
    },
}
ACTIONS = tuple(_POSES)
# In the order of the arrays below: upper arm and forearm of one side, of the other,
# then the legs in the same way.
_LIMBS = (
    *(("torso", 0), ("head", 0)),
    *((part, side) for side in (0, 1) for part in ("upper arm", "forearm")),
    *((part, side) for side in (0, 1) for part in ("thigh", "shin")),
)

# Breadth of shoulders and hips, 1 in front view: walking is seen from the side.
_BREADTH = {"walk": 0.15, "kick": 0.4, "punch": 0.4, "bow": 0.2}
_SPIN_RATE = 0.6  # turns per cycle; at 1 some clips would show one view four times

# In parts of the actor's height.
_LENGTH = np.array([0.29, 0.07, *[0.165] * 4, *[0.225] * 4], np.float32)
_RADIUS = (0.080, 0.072, 0.042, 0.036, 0.042, 0.036, 0.052, 0.044, 0.052, 0.044)
_NECK, _SHOULDER, _HIP = 0.055, 0.085, 0.045
_LIGHT_SKIN = np.array((0.93, 0.74, 0.60), np.float32)
_DARK_SKIN = np.array((0.42, 0.27, 0.18), np.float32)
_FABRIC = (0, 1, 0, 1, 0, 1, 2, 2, 2, 2)  # shirt with half sleeves, skin, trousers
_FRONT_TO_BACK = (5, 4, 1, 0, 9, 8, 7, 6, 3, 2)
_OUTLINE, _INK = 0.8, 0.06  # pixels; brightness


class Drawing(NamedTuple):
    """The actor in each frame, to be laid over the scene.

    Attributes:
        colour: [V, T, H, W, 3] in 0..1.
        cover: [V, T, H, W] share of each pixel that the actor covers, 0..1.
    """

    colour: np.ndarray
    cover: np.ndarray


def _pose_table() -> tuple[np.ndarray, np.ndarray]:
    """[K, 10, 3] angles in radians and [K] breadths."""
    rows = [
        [(_STAND | pose)[part][side] for part, side in _LIMBS]
        for pose in _POSES.values()
    ]
    breadth = [_BREADTH.get(action, 1) for action in ACTIONS]
    return np.radians(np.array(rows, np.float32)), np.array(breadth, np.float32)


_ANGLES, _BREADTHS = _pose_table()


def _joints(
    draws: random_draws.Draws, action: np.ndarray, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ends [V, T, 10, 2] (x, y) of all limbs, hip at 0, in parts of the height."""
    time = np.arange(num_frames) / num_frames
    cycles = draws.uniform(0.7, 1.1)
    start = draws.uniform(0, 2 * np.pi)
    amplitude = draws.uniform(0.75, 1.2)[:, None, None]
    phase = start[:, None] + 2 * np.pi * cycles[:, None] * time
    rest, swing, sway = np.moveaxis(_ANGLES[action], 2, 0)[:, :, None]
    risen = (0.5 - 0.5 * np.cos(phase))[..., None]
    angle = rest + amplitude * (swing * risen + sway * np.sin(phase)[..., None])
    angle = angle + draws.normal(0.1, num_frames, len(_LIMBS))

    direction = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    direction[:, :, :2, 1] *= -1  # torso and head lean from straight up
    limb = direction * _LENGTH[:, None]
    begin = np.zeros_like(limb)
    neck = limb[:, :, 0]
    begin[:, :, 1] = neck + _NECK * direction[:, :, 1]
    across = _BREADTHS[action][:, None]
    for joint, sign in ((2, -1), (4, 1)):
        begin[:, :, joint] = 0.93 * neck
        begin[:, :, joint, 0] += sign * _SHOULDER * across
    for joint, sign in ((6, -1), (8, 1)):
        begin[:, :, joint, 0] = sign * _HIP * across
    for upper in (2, 4, 6, 8):
        begin[:, :, upper + 1] = begin[:, :, upper] + limb[:, :, upper]
    turned = np.where(
        action[:, None] == ACTIONS.index("spin"), np.cos(_SPIN_RATE * phase), 1
    )
    width = np.stack([turned, np.ones_like(turned)], axis=-1)[:, :, None]
    return begin * width, (begin + limb) * width


def _place(
    draws: random_draws.Draws, begin: np.ndarray, end: np.ndarray, how: look.Look
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limb ends in pixels, feet on the ground, and the actor's height [V]."""
    size = how.size
    height = draws.uniform(*how.height) * size
    middle = draws.uniform(*how.middle) * size
    ground = draws.uniform(0.93, 1.02) * size
    mirror = np.where(draws.uniform(0, 1) < 0.5, -1, 1)
    scale = height[:, None] * np.stack([mirror, np.ones_like(mirror)], axis=-1)
    feet = end[:, :, 6:, 1].max(axis=2)[:, :, None]
    origin = np.empty((len(height), begin.shape[1], 1, 2), np.float32)
    origin[..., 0] = middle[:, None, None]
    origin[..., 1] = ground[:, None, None] - feet * height[:, None, None]
    scale = scale[:, None, None]
    return origin + begin * scale, origin + end * scale, height


def _colours(draws: random_draws.Draws) -> np.ndarray:
    """[V, 3, 3]: RGB of shirt, skin and trousers."""
    clothes = draws.uniform(0.05, 0.95, 2, 3)
    share = draws.uniform(0, 1)[:, None]
    skin = share * _LIGHT_SKIN + (1 - share) * _DARK_SKIN
    return np.stack([clothes[:, 0], skin, clothes[:, 1]], axis=1)


def _distance(begin: np.ndarray, end: np.ndarray, size: int) -> np.ndarray:
    """[V, T, H, W] pixels from the segment between two points [V, T, 2]."""
    grid = np.arange(size, dtype=np.float32) + 0.5
    middle = 0.5 * (begin + end)[..., None, None]
    x = grid - middle[:, :, 0]
    y = grid[:, None] - middle[:, :, 1]
    span = (end - begin)[..., None, None]
    length = np.maximum(np.hypot(span[:, :, 0], span[:, :, 1]), 1e-3)
    cosine, sine = span[:, :, 0] / length, span[:, :, 1] / length
    beyond = x * cosine + y * sine
    np.abs(beyond, out=beyond)
    beyond -= 0.5 * length
    np.maximum(beyond, 0, out=beyond)
    beyond *= beyond
    beside = x * sine - y * cosine
    beside *= beside
    beyond += beside
    return np.sqrt(beyond, out=beyond)


def draw_actors(
    draws: random_draws.Draws, action: np.ndarray, how: look.Look
) -> Drawing:
    """Returns the actors of V clips, a dark outline round each.

    Args:
        draws: Streams of the V clips.
        action: [V] index into `ACTIONS`.
        how: Size of the frames and of the actor.
    """
    begin, end, height = _place(draws, *_joints(draws, action, how.num_frames), how)
    shape = (*begin.shape[:2], how.size, how.size)
    outline = np.full(shape, -np.inf, np.float32)
    unseen = np.ones(shape, np.float32)  # share of a pixel not yet covered
    fabric = np.zeros((3, *shape), np.float32)
    for limb in _FRONT_TO_BACK:
        inside = _distance(begin[:, :, limb], end[:, :, limb], how.size)
        np.subtract(
            (_RADIUS[limb] * height)[:, None, None, None] + 0.5, inside, out=inside
        )
        np.maximum(outline, inside, out=outline)
        cover = np.clip(inside, 0, 1, out=inside)
        cover *= unseen
        fabric[_FABRIC[limb]] += cover
        unseen -= cover
    outline = np.clip(outline + _OUTLINE, 0, 1)
    colour = _INK * unseen.reshape(len(action), -1, 1)
    colour = colour + fabric.reshape(3, len(action), -1).transpose(1, 2, 0) @ _colours(
        draws
    )
    return Drawing(colour.reshape(*shape, 3), outline)
