"""How the videos of an edition of the embedded benchmark look."""

from typing import NamedTuple

UNITS = 32  # that a frame is wide and high in every edition; sizes are stated in them


class Look(NamedTuple):
    """Size and difficulty of the pictures; by default the first edition's.

    Attributes:
        size: Frame height and width in pixels.
        num_frames: T of a video. The action happens about once in it.
        height: Smallest and largest height of the actor, in parts of the frame.
        middle: Leftmost and rightmost place of the actor, in parts of the frame.
        grain: Contrast of fine detail that is laid over a scene; 0 for none.
        pixel_format: Of the encoded video; `yuv420p` halves the resolution of colour.
        crf: x264's quality; more is coarser, 23 its default.
    """

    size: int = 32
    num_frames: int = 4
    height: tuple[float, float] = (0.8, 1.0)
    middle: tuple[float, float] = (0.36, 0.64)
    grain: float = 0.0
    pixel_format: str = "yuv444p"
    crf: int = 12

    @property
    def scale(self) -> float:
        """Pixels of a unit."""
        return self.size / UNITS
