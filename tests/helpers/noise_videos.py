"""Tiny encoded videos of noise, for tests that need files but not what they show."""

import io

import av
import numpy as np


def encode(num_frames: int, seed: int = 0) -> bytes:
    """Returns an MP4 file of 32x24 pixels."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        pictures = np.random.default_rng(seed).integers(0, 256, (num_frames, 24, 32, 3))
        for picture in pictures.astype(np.uint8):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode(None))
    return out.getvalue()
