"""Made-up footage for the benchmarks of reading: a panned texture, shapes and grain.

About as large as a clip of Kinetics at 340x256: 10 s in 0.2 to 0.5 MB of H.264.
"""

import io

import av
import cv2
import numpy as np

SIZE = (256, 340)  # height, width
RATE = 30  # frames a second
NUM_FRAMES = 300


def pictures(
    seed: int, *, num_frames: int = NUM_FRAMES, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Returns frames of a camera that pans over a scene: [T, H, W, 3] uint8 RGB."""
    rng = np.random.default_rng(seed)
    height, width = size
    canvas = np.zeros((2 * height, 2 * width, 3), np.float32)
    for cell in (4, 16, 64):  # details and large areas, as in photographs
        rough = rng.normal(size=(2 * height // cell + 1, 2 * width // cell + 1, 3))
        smooth = cv2.resize(rough.astype(np.float32), (2 * width, 2 * height))
        canvas += 4 * cell**0.5 * smooth
    canvas += rng.uniform(80, 170, 3).astype(np.float32)
    time = np.arange(num_frames) / RATE
    down, right = (
        limit / 2 * (1 + np.sin(rng.uniform(0.2, 0.6) * time + rng.uniform(0, 6)))
        for limit in size
    )
    grain = rng.normal(0, 1.5, (8, height, width, 1)).astype(np.float32)
    colour, radius = rng.uniform(0, 255, 3), height // 6
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for number in range(num_frames):
        top, left = int(down[number]), int(right[number])
        frame = canvas[top : top + height, left : left + width].copy()
        angle = 1.5 * time[number]
        centre = (
            int(width * (0.5 + 0.3 * np.cos(angle))),
            int(height * (0.5 + 0.3 * np.sin(2 * angle))),
        )
        cv2.circle(frame, centre, radius, colour.tolist(), -1)
        frames[number] = np.clip(frame + grain[number % 8], 0, 255)
    return frames


def encode(frames: np.ndarray, gop: int) -> bytes:
    """Returns an MP4 file of frames [T, H, W, 3] with a key frame every `gop`."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        # Without scene cuts key frames are where `gop` has them.
        stream.options = {"g": str(gop), "sc_threshold": "0", "crf": "23"}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        file.mux(stream.encode(None))
    return out.getvalue()
