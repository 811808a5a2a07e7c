"""Backgrounds and objects of the embedded benchmark, drawn by formula.

Sixteen scene categories, each with jitter of palette and layout: twelve common ones and
four that training never shows. Eight objects appear in the scenes. All functions draw V
pictures at once on a canvas a little larger than the frame.
"""

import functools
from collections.abc import Callable

import numpy as np

from smad_jax.data.embedded import look, random_draws

EXTENT = 40  # units of the canvas, over which a frame of 32 units pans


class Canvas:
    """The pixels that pictures are drawn on. Positions and sizes are in units.

    Attributes:
        size: H = W in pixels.
        scale: Pixels of a unit.
        y, x: [H, W] position of each pixel.
    """

    def __init__(self, scale: float):
        self.size = round(EXTENT * scale)
        self.scale = scale
        self.y, self.x = np.mgrid[: self.size, : self.size].astype(np.float32) / scale

    def edge(self, signed: np.ndarray, softness: float = 0.7) -> np.ndarray:
        """Step from 0 to 1 where `signed` passes zero, about a pixel wide.

        `softness`, half its width in pixels, is in the same measure as `signed` where
        that is not in units.
        """
        return np.clip(0.5 + signed * self.scale / (2 * softness), 0, 1)

    def noise(self, draws: random_draws.Draws, rows: int, columns: int) -> np.ndarray:
        """[V, H, W] smooth noise in -1..1, of `rows` x `columns` cells."""
        coarse = draws.uniform(-1, 1, rows + 1, columns + 1)
        return self._interpolation(rows) @ coarse @ self._interpolation(columns).T

    def flat_horizon(
        self, draws: random_draws.Draws, low: float, high: float
    ) -> np.ndarray:
        """[V, H, W], one height for each picture."""
        height = _column(draws.uniform(low, high))
        return np.broadcast_to(height, (len(draws), self.size, self.size))

    def _interpolation(self, cells: int) -> np.ndarray:
        """[H, cells + 1] weights that spread a coarse row smoothly over the canvas."""
        place = np.arange(self.size, dtype=np.float32) * cells / self.size
        index = place.astype(int)
        share = place - index
        share = share * share * (3 - 2 * share)
        weights = np.zeros((self.size, cells + 1), np.float32)
        rows = np.arange(self.size)
        weights[rows, index] = 1 - share
        weights[rows, index + 1] = share
        return weights


@functools.cache
def canvas_of(scale: float) -> Canvas:
    """Returns the canvas with `scale` pixels for a unit."""
    return Canvas(scale)


def _column(values: np.ndarray) -> np.ndarray:
    """[V] -> [V, 1, 1], to meet the canvas."""
    return values[:, None, None]


def _colour(
    draws: random_draws.Draws, rgb: tuple[float, float, float], jitter: float = 0.08
) -> np.ndarray:
    """[V, 1, 1, 3]: one colour of the palette for each picture."""
    return (np.array(rgb, np.float32) + draws.uniform(-jitter, jitter, 3))[
        :, None, None, :
    ]


def _mix(below: np.ndarray, above: np.ndarray | float, share: np.ndarray) -> np.ndarray:
    """Lays colours [.., 3] over others, `share` [V, H, W] of them."""
    return below + (above - below) * share[..., None]


def _sky_and_ground(
    draws: random_draws.Draws,
    canvas: Canvas,
    sky: np.ndarray,
    ground: np.ndarray,
    horizon: np.ndarray,
) -> np.ndarray:
    """A sky that pales towards the horizon, [V, H, W] rows from above, and ground."""
    pale = 0.35 * np.clip(canvas.y / (_column(draws.uniform(16, 24))), 0, 1)
    sky = _mix(sky, 0.95, np.broadcast_to(pale, horizon.shape))
    return _mix(sky, ground, canvas.edge(canvas.y - horizon))


def _sea(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    horizon = canvas.flat_horizon(draws, 13, 20)
    sky = _colour(draws, (0.45, 0.68, 0.95))
    water = _colour(draws, (0.08, 0.25, 0.55))
    bent = canvas.y + 1.2 * canvas.noise(draws, 4, 5)
    waves = np.sin(bent * _column(draws.uniform(1.3, 1.9))) * 0.10
    return _sky_and_ground(draws, canvas, sky, water + waves[..., None], horizon)


def _grass(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    horizon = canvas.flat_horizon(draws, 12, 19) + 1.5 * canvas.noise(draws, 1, 4)
    sky = _colour(draws, (0.60, 0.72, 0.92), 0.12)
    blades = 0.10 * canvas.noise(draws, 16, 24) + 0.05 * canvas.noise(draws, 5, 5)
    ground = _colour(draws, (0.25, 0.52, 0.14)) + blades[..., None]
    return _sky_and_ground(draws, canvas, sky, ground, horizon)


def _brick(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    height, width = _column(draws.uniform(4.5, 6)), _column(draws.uniform(9, 12))
    down = (canvas.y + _column(draws.uniform(0, 6))) / height
    course = np.floor(down)
    across = (canvas.x + _column(draws.uniform(0, 12))) / width + 0.5 * (course % 2)
    joint = np.minimum((down % 1) * height, (across % 1) * width)
    shade = np.sin(course * 12.9 + np.floor(across) * 78.2) * 0.07
    shade = shade + 0.05 * canvas.noise(draws, 12, 12)
    wall = _colour(draws, (0.55, 0.20, 0.13)) + shade[..., None]
    return _mix(
        wall, _colour(draws, (0.66, 0.60, 0.52)), 1 - canvas.edge(joint - 1, 0.4)
    )


def _wood(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    width = _column(draws.uniform(5, 8))
    across = (canvas.x + _column(draws.uniform(0, 8))) / width
    shade = np.sin(np.floor(across) * 37.7) * 0.05 + 0.06 * canvas.noise(draws, 2, 30)
    planks = _colour(draws, (0.47, 0.31, 0.17), 0.06) + shade[..., None]
    gap = 1 - canvas.edge((across % 1) * width - 1, 0.4)
    return _mix(planks, _colour(draws, (0.16, 0.10, 0.05), 0.03), gap)


def _snow(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    horizon = canvas.flat_horizon(draws, 9, 17) + 2 * canvas.noise(draws, 1, 3)
    sky = _colour(draws, (0.70, 0.77, 0.88), 0.06)
    drifts = 0.05 * canvas.noise(draws, 7, 4)
    ground = _colour(draws, (0.90, 0.92, 0.97), 0.03) + drifts[..., None]
    return _sky_and_ground(draws, canvas, sky, ground, horizon)


def _city(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    pitch = _column(draws.uniform(5, 7))
    down = (canvas.y + _column(draws.uniform(0, 6))) / pitch
    across = (canvas.x + _column(draws.uniform(0, 6))) / pitch
    row, column = down.astype(int), across.astype(int)
    lit = draws.uniform(0, 1, 10, 10) < 0.45
    lit = lit[np.arange(len(draws))[:, None, None], row, column]
    pane = np.minimum(
        canvas.edge(0.36 - np.abs(down % 1 - 0.5), 0.08),
        canvas.edge(0.36 - np.abs(across % 1 - 0.5), 0.08),
    )
    roof = draws.uniform(-4, 14, 10)  # pixels from above, a house for each column
    roof = np.take_along_axis(roof[:, None], column, axis=2)
    night = _colour(draws, (0.07, 0.06, 0.14), 0.05)
    houses = _mix(night * 0.6, _colour(draws, (0.93, 0.82, 0.38), 0.1), lit * pane)
    return _mix(night * 1.8, houses, canvas.edge(canvas.y - roof))


def _gym(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    horizon = canvas.flat_horizon(draws, 9, 15)
    floor = (
        _colour(draws, (0.85, 0.62, 0.34))
        + 0.03 * canvas.noise(draws, 3, 20)[..., None]
    )
    paints = ((0.95, 0.95, 0.95), (0.82, 0.12, 0.12), (0.15, 0.25, 0.75))
    for paint in paints:
        turn = _column(draws.uniform(-1.2, 1.2))
        offset = (
            canvas.x - _column(draws.uniform(4, 36)) - (canvas.y - 26) * np.tan(turn)
        )
        line = canvas.edge(
            _column(draws.uniform(0.9, 1.6)) - np.abs(offset * np.cos(turn))
        )
        floor = _mix(floor, _colour(draws, paint, 0.04), line)
    wall = _colour(draws, (0.58, 0.60, 0.56), 0.06)
    skirting = canvas.edge(1 - np.abs(canvas.y - horizon))
    room = _mix(
        np.broadcast_to(wall, floor.shape), floor, canvas.edge(canvas.y - horizon)
    )
    return _mix(room, _colour(draws, (0.92, 0.90, 0.86), 0.04), skirting)


def _desert(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    sky = _colour(draws, (0.62, 0.78, 0.90))
    sand = _colour(draws, (0.85, 0.62, 0.36), 0.06)
    picture = sky
    for low, high, dark in ((8, 13, 0.0), (16, 21, 0.06), (24, 30, 0.12)):
        pitch = _column(draws.uniform(0.10, 0.22))
        crest = np.sin(canvas.x * pitch + _column(draws.uniform(0, 6.3)))
        crest = _column(draws.uniform(low, high)) + 2.5 * crest
        slope = np.clip((canvas.y - crest) * 0.012, 0, 0.1) + 0.02 * canvas.noise(
            draws, 10, 10
        )
        dune = sand - dark + slope[..., None]
        picture = _mix(
            np.broadcast_to(picture, dune.shape), dune, canvas.edge(canvas.y - crest)
        )
    return picture


def _forest(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    leaves = 0.10 * canvas.noise(draws, 13, 13) + 0.06 * canvas.noise(draws, 5, 5)
    picture = _colour(draws, (0.10, 0.27, 0.12), 0.05) + leaves[..., None]
    bark = _colour(draws, (0.24, 0.14, 0.09), 0.04)
    for slot in range(4):
        centre = _column(draws.uniform(10 * slot, 10 * slot + 9))
        bent = centre + 0.8 * canvas.noise(draws, 3, 1)
        trunk = canvas.edge(_column(draws.uniform(1.0, 2.6)) - np.abs(canvas.x - bent))
        picture = _mix(picture, bark - 0.05 * (slot % 2), trunk)
    return picture


def _tiles(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    pitch = _column(draws.uniform(5, 7.5))
    odd = np.floor((canvas.y + _column(draws.uniform(0, 9))) / pitch) + np.floor(
        (canvas.x + _column(draws.uniform(0, 9))) / pitch
    )
    dark = np.clip(draws.uniform(-0.1, 0.4, 3), 0, 1)[:, None, None]
    light = _colour(draws, (0.87, 0.86, 0.88), 0.1)
    return _mix(np.broadcast_to(dark, (*odd.shape, 3)), light, odd % 2)


def _curtain(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    bent = canvas.x + 1.5 * canvas.noise(draws, 2, 3)
    fold = np.sin(
        bent * _column(draws.uniform(0.8, 1.3)) + _column(draws.uniform(0, 6.3))
    )
    cloth = _colour(draws, (0.58, 0.06, 0.14), 0.07)
    return cloth * (1 + 0.55 * fold[..., None])


def _crowd(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    people = draws.uniform(0, 1, 16, 16, 3) ** 0.8
    pitch = _column(draws.uniform(3, 3.8))
    down = (canvas.y + _column(draws.uniform(0, 4))) / pitch
    row = np.floor(down)
    across = (canvas.x + _column(draws.uniform(0, 4))) / pitch + 0.5 * (row % 2)
    index = np.arange(len(draws))[:, None, None]
    colours = people[index, row.astype(int), across.astype(int)]
    round_off = np.hypot(down % 1 - 0.5, across % 1 - 0.5)
    seats = np.broadcast_to(_colour(draws, (0.10, 0.09, 0.12), 0.05), colours.shape)
    return _mix(seats, colours, canvas.edge(0.5 - round_off, 0.12))


def _lava(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    level = canvas.noise(draws, 6, 6) + 0.4 * canvas.noise(draws, 12, 12)
    glow = np.exp(-((level / _column(draws.uniform(0.10, 0.18))) ** 2))
    rock = _colour(draws, (0.14, 0.06, 0.03), 0.03) + 0.05 * level[..., None]
    return _mix(rock, _colour(draws, (0.92, 0.48, 0.08), 0.07), glow)


def _disco(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    centre_y, centre_x = (_column(draws.uniform(4, 36)) for _ in range(2))
    radius = np.hypot(canvas.y - centre_y, canvas.x - centre_x) + 0.8 * canvas.noise(
        draws, 5, 5
    )
    ring = 0.5 + 0.5 * np.sin(
        radius * _column(draws.uniform(0.75, 1.1)) + _column(draws.uniform(0, 6.3))
    )
    dark = _colour(draws, (0.32, 0.05, 0.48))
    light = _colour(draws, (0.86, 0.30, 0.80))
    return _mix(np.broadcast_to(dark, (*ring.shape, 3)), light, ring)


def _ice(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    floes = draws.uniform(-4, EXTENT + 4, 16, 2)
    distance = np.hypot(
        canvas.y - floes[..., :1, None], canvas.x - floes[..., 1:, None]
    )  # [V, floes, H, W]
    nearest = np.partition(distance, 1, axis=1)[:, :2]
    crack = 1 - canvas.edge(nearest[:, 1] - nearest[:, 0] - 1.2, 0.6)
    sheet = (
        _colour(draws, (0.60, 0.85, 0.92)) + 0.06 * canvas.noise(draws, 4, 4)[..., None]
    )
    return _mix(sheet, _colour(draws, (0.15, 0.38, 0.55)), crack)


def _hatch(draws: random_draws.Draws, canvas: Canvas) -> np.ndarray:
    pitch = _column(draws.uniform(2.8, 4))
    turn = _column(draws.uniform(-0.25, 0.25))
    along = (
        canvas.x * np.cos(turn) + canvas.y * np.sin(turn) + _column(draws.uniform(0, 4))
    )
    across = (
        canvas.y * np.cos(turn) - canvas.x * np.sin(turn) + _column(draws.uniform(0, 4))
    )
    line = np.maximum(
        canvas.edge(0.8 - np.abs((along % pitch) - pitch / 2), 0.5),
        canvas.edge(0.8 - np.abs((across % pitch) - pitch / 2), 0.5),
    )
    paper = _colour(draws, (0.66, 0.68, 0.72), 0.06)
    ink = _colour(draws, (0.40, 0.42, 0.50), 0.05)
    return _mix(np.broadcast_to(paper, (*line.shape, 3)), ink, line)


SCENES: dict[str, Callable[[random_draws.Draws, Canvas], np.ndarray]] = {
    "sea": _sea,
    "grass": _grass,
    "brick": _brick,
    "wood": _wood,
    "snow": _snow,
    "city": _city,
    "gym": _gym,
    "desert": _desert,
    "forest": _forest,
    "tiles": _tiles,
    "curtain": _curtain,
    "crowd": _crowd,
    "lava": _lava,  # the first of the rare scenes
    "disco": _disco,
    "ice": _ice,
    "hatch": _hatch,
}
NUM_COMMON_SCENES = 12


def _grain(draws: random_draws.Draws, canvas: Canvas, pixels: int) -> np.ndarray:
    """[V, H, W] noise in -1..1, equal in squares of some pixels."""
    cells = -(-canvas.size // pixels)
    coarse = draws.uniform(-1, 1, cells, cells)
    fine = coarse.repeat(pixels, axis=1).repeat(pixels, axis=2)
    return fine[:, : canvas.size, : canvas.size]


def draw_backgrounds(
    draws: random_draws.Draws, scene: np.ndarray, how: look.Look
) -> np.ndarray:
    """Returns [V, H, W, 3] pictures in 0..1 of the scenes `scene` [V]."""
    canvas = canvas_of(how.scale)
    pictures = np.empty((len(scene), canvas.size, canvas.size, 3), np.float32)
    for label, draw in enumerate(SCENES.values()):
        rows = np.flatnonzero(scene == label)
        if len(rows):
            pictures[rows] = draw(draws.take(rows), canvas)
    if how.grain:
        for pixels in (2, 4):
            pictures *= 1 + how.grain * _grain(draws, canvas, pixels)[..., None]
    return np.clip(pictures, 0, 1)


def _box(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    """Signed distance, about, to a box with these half-widths; negative inside."""
    return np.maximum(np.abs(x) - width, np.abs(y) - height)


def _ladder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rails = np.minimum(_box(x - 0.55, y, 0.18, 1), _box(x + 0.55, y, 0.18, 1))
    rungs = np.abs((y + 1) % 0.66 - 0.33) - 0.14
    return np.minimum(rails, np.maximum(rungs, _box(x, y, 0.55, 1)))


def _flag(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    pole = _box(x + 0.7, y, 0.17, 1.2)
    cloth = np.maximum(-x - 0.7, x - 0.9 + 1.2 * np.abs(y + 0.5))
    return np.minimum(pole, np.maximum(cloth, np.abs(y + 0.5) - 0.65))


_Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Shape in units of the object's radius, and its usual colour.
OBJECTS: dict[str, tuple[_Shape, tuple[float, float, float]]] = {
    "ball": (lambda x, y: np.hypot(x, y) - 1, (0.85, 0.28, 0.20)),
    "box": (lambda x, y: _box(x, y, 0.9, 0.9), (0.45, 0.36, 0.14)),
    "ring": (lambda x, y: np.abs(np.hypot(x, y) - 0.8) - 0.25, (0.12, 0.72, 0.26)),
    "cone": (
        lambda x, y: np.maximum(0.9 * np.abs(x) - 0.45 * (y + 1), y - 0.9),
        (0.92, 0.50, 0.10),
    ),
    "cross": (
        lambda x, y: np.minimum(_box(x, y, 1, 0.32), _box(x, y, 0.32, 1)),
        (0.86, 0.86, 0.88),
    ),
    "ladder": (_ladder, (0.70, 0.68, 0.15)),
    "diamond": (lambda x, y: np.abs(x) + np.abs(y) - 1.1, (0.20, 0.42, 0.80)),
    "flag": (_flag, (0.86, 0.24, 0.62)),
}


def draw_objects(
    draws: random_draws.Draws, pictures: np.ndarray, item: np.ndarray, how: look.Look
) -> np.ndarray:
    """Returns the pictures with an object each, to the left or right of the centre.

    Args:
        draws: Streams of the V pictures.
        pictures: [V, H, W, 3] in 0..1.
        item: [V] index into `OBJECTS`, or -1 for none.
        how: The look that the pictures were drawn with.
    """
    canvas = canvas_of(how.scale)
    radius = draws.uniform(3, 4.5)
    side = np.where(draws.uniform(0, 1) < 0.5, -1, 1)
    middle = (EXTENT - 1) / 2
    centre_x = middle + side * draws.uniform(6, 11)
    centre_y = draws.uniform(12, EXTENT - 11)
    jitter = draws.uniform(-0.1, 0.1, 3)
    painted = pictures.copy()
    for label, (shape, colour) in enumerate(OBJECTS.values()):
        rows = np.flatnonzero(item == label)
        if not len(rows):
            continue
        size = _column(radius[rows])
        signed = shape(
            (canvas.x - _column(centre_x[rows])) / size,
            (canvas.y - _column(centre_y[rows])) / size,
        )
        paint = np.clip(np.array(colour, np.float32) + jitter[rows], 0, 1)[
            :, None, None
        ]
        painted[rows] = _mix(pictures[rows], paint, canvas.edge(-signed * size, 0.5))
    return painted
