"""JPEG and PNG files to pictures, as the reference's image pipeline decodes them.

OpenCV decodes, and turns the picture as its EXIF orientation says. To the rest of the
data layer an image is a video of one frame; `video` calls this module for such files.
"""

import cv2
import numpy as np

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xda", b"\xff\xd9"


def is_image(content: bytes) -> bool:
    """Returns whether a file is JPEG or PNG, by its first bytes."""
    return content.startswith((_JPEG, _PNG))


def decode(content: bytes) -> np.ndarray | None:
    """Returns the upright picture [H, W, 3] uint8 RGB, or None if it cannot be had.

    Grey pictures get three equal channels, 16 bits become 8, transparency is dropped.
    For a file whose end is missing (`ends_early`) it depends on OpenCV's version.
    """
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels than OpenCV takes
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def ends_early(content: bytes) -> bool:
    """Returns whether the end of the image is missing from the file."""
    if content.startswith(_PNG):
        return _PNG_END not in content
    # a thumbnail in a block has an end of its own: what counts is one behind the pixels
    place = len(_JPEG_START)
    while content[place : place + 1] == b"\xff":
        marker = content[place + 1 : place + 2]
        if marker == b"\xff":  # padding
            place += 1
            continue
        length = int.from_bytes(content[place + 2 : place + 4], "big")
        place += 2 + length
        if marker == _JPEG_SCAN:
            return _JPEG_END not in content[place:]
    return True
