"""A maker of tiny encoded videos for the tests of this folder."""

import io
from collections.abc import Callable

import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_video() -> Callable[..., bytes]:
    """Encodes a moving pattern: (num_frames, height, width, seed) to a file's bytes."""

    def encode(
        num_frames: int = 4,
        height: int = 32,
        width: int = 48,
        seed: int = 0,
        container: str = "mp4",
        **options: str,
    ) -> bytes:
        picture = np.random.default_rng(seed).integers(
            0, 256, (height // 8, width // 8, 3)
        )
        picture = picture.astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        out = io.BytesIO()
        with av.open(out, "w", format=container) as file:
            stream = file.add_stream(
                "libx264", rate=8, options={"crf": "10", **options}
            )
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.thread_count = 1
            for number in range(num_frames):
                moved = np.roll(picture, 2 * number, axis=1)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), "rgb24")
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        return out.getvalue()

    return encode


@pytest.fixture(scope="module")
def read(real_data) -> Callable[[str], bytes]:
    """Reads a real video by its name."""
    return lambda name: (real_data / "videos" / name).read_bytes()
