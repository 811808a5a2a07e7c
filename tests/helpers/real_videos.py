"""Real videos, and what decoding all of each gives."""

import time

import av.video.reformatter

from smad_jax.data import containers

# frames that decode, height and width of the upright picture
FACTS = {
    "av1_video.mkv": (125, 360, 640),
    "bikes.mp4": (250, 272, 640),
    "carphone_pristine.mp4": (120, 144, 176),
    "corrupted.mp4": (28, 720, 1280),
    "demo.mp4": (280, 256, 340),
    "flipping_a_pancake.mkv": (310, 240, 426),
    "h265_video.mp4": (10, 128, 128),
    "nasa_13013.mp4": (390, 270, 480),
    "part_0.mp4": (32, 256, 340),
    "test.avi": (164, 240, 320),
    "test.mp4": (300, 256, 340),
    "test_video_structuralize.mp4": (300, 240, 426),
    "unordered.mov": (4, 50, 50),
    "video_0.mov": (3, 320, 568),
    "video_90.mov": (3, 568, 320),
    "video_180.mov": (3, 320, 568),
    "video_270.mov": (3, 568, 320),
}


def in_sequence(content):
    """Returns all frames, with no packet left out."""
    with containers.open_video(content, time.thread_time() + 60) as opened:
        reformatter = av.video.reformatter.VideoReformatter()
        frames = list(containers.decoded(opened))
        turn = containers.orientation(frames[0])
        return [containers.upright(frame, reformatter, None, turn) for frame in frames]
