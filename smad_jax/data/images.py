"""Image files to pictures, as the reference's image pipeline decodes them.

OpenCV decodes, and turns the picture by its EXIF orientation. To the rest of the
data layer an image is a video of one frame; `video` calls this module for such files.
An animated GIF, PNG or WebP is a video instead.
"""

import contextlib
import struct
from collections.abc import Iterator

import cv2
import numpy as np

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xda", b"\xff\xd9"
_GIF_PICTURE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, b"\x3b"  # first bytes of blocks
# Blocks of a JPEG that state its size; the three left out are tables.
_JPEG_FRAMES = {bytes([n]) for n in range(0xC0, 0xD0) if n not in (0xC4, 0xC8, 0xCC)}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_SHORT = 256, 257, 3  # tags, and a type of 2 bytes
# FFmpeg's name of each format, by the first bytes of its files.
_CODECS = {
    _JPEG: "mjpeg",
    _PNG: "png",
    b"BM": "bmp",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}
# OpenCV's flags of a reduction are those of grey pictures, without the bit for colour.
_REDUCED = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def codec(content: bytes) -> str:
    """Returns FFmpeg's name of an image file's format, by its first bytes.

    That is mjpeg (for JPEG), png, bmp, gif, tiff or webp; empty for other files.
    """
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp"
    return next(
        (name for start, name in _CODECS.items() if content[: len(start)] == start), ""
    )


def size(content: bytes) -> tuple[int, int]:
    """Returns the width and height that an image file states, by its header.

    A file of some hundred bytes can state any size, and decoding it takes that memory.
    Zeros where the header is cut short or of another format.
    """
    width, height = 0, 0
    with contextlib.suppress(struct.error):
        match codec(content):
            case "png":
                width, height = struct.unpack_from(">II", content, 16)
            case "gif":
                width, height = struct.unpack_from("<HH", content, 6)
            case "bmp":  # a negative height: from top to bottom
                width, height = struct.unpack_from("<ii", content, 18)
            case "mjpeg":
                height, width = struct.unpack_from(">HH", content, _jpeg_size(content))
            case "tiff":
                width, height = _tiff_size(content)
            case "webp":
                width, height = _webp_size(content)
    return width, abs(height)


def _jpeg_size(content: bytes) -> int:
    """Where a JPEG states its height and width; the end if it does not."""
    for marker, place in _jpeg_blocks(content):
        if marker in _JPEG_FRAMES:
            return place + 5
    return len(content)


def _webp_size(content: bytes) -> tuple[int, int]:
    """The size of a WebP: of its canvas, or of the lossless or lossy picture."""
    match content[12:16]:
        case b"VP8X":
            return _webp_canvas(content)
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", content, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def _webp_canvas(content: bytes) -> tuple[int, int]:
    """The size of an extended WebP's canvas: sizes less one, of 24 bits each."""
    width, height = (int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
    return width + 1, height + 1


def _tiff_size(content: bytes) -> tuple[int, int]:
    """The size of the first picture of a TIFF."""
    order = "<" if content.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    found = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", content, place)
        number = "H" if kind == _TIFF_SHORT else "I"
        (found[tag],) = struct.unpack_from(order + number, content, place + 8)
    return found.get(_TIFF_WIDTH, 0), found.get(_TIFF_HEIGHT, 0)


def is_image(content: bytes) -> bool:
    """Returns whether a file is a single picture of a format that `codec` knows."""
    return bool(codec(content)) and not is_animated(content)


def is_animated(content: bytes) -> bool:
    """Returns whether a GIF, PNG or WebP file holds several pictures to be shown."""
    match codec(content):
        case "gif":
            return _gif(content)[0] > 1
        case "png":
            return _apng_pictures(content) > 1
        case "webp":
            return content[12:16] == b"VP8X" and content.count(b"ANMF") > 1
    return False


def num_pictures(content: bytes) -> int:
    """Returns how many pictures `decode` or `decode_animation` has to decode."""
    return 1 if is_image(content) else content.count(b"ANMF")


def decode_animation(content: bytes) -> list[np.ndarray]:
    """Returns the pictures [H, W, 3] uint8 RGB of an animated WebP.

    FFmpeg, which reads the other animations, does not decode this one. None come back
    of a damaged file.
    """
    try:
        whole, animation = cv2.imdecodeanimation(np.frombuffer(content, np.uint8))
    except cv2.error:
        return []
    return [np.ascontiguousarray(f[..., 2::-1]) for f in animation.frames if whole]


def _gif(content: bytes) -> tuple[int, bool]:
    """How many pictures a GIF holds before its end or damage, and whether it ends."""
    place, count = 13, 0
    if len(content) > 10 and content[10] & 0x80:  # a table of colours
        place += 3 << (content[10] & 7) + 1
    while place < len(content):
        block = content[place]
        if block == _GIF_PICTURE:  # its frame, perhaps colours, then its data
            if place + 10 > len(content):
                break
            flags = content[place + 9]
            place += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
            count += 1
        elif block == _GIF_EXTENSION:
            place += 2
        else:
            break
        while place < len(content) and content[place]:
            place += 1 + content[place]
        place += 1
    return count, content[place : place + 1] == _GIF_END


def _apng_pictures(content: bytes) -> int:
    """Returns how many pictures a PNG states to animate, 0 if it is a still."""
    place = len(_PNG)
    while place + 8 <= len(content):
        kind = content[place + 4 : place + 8]
        if kind == b"IDAT":  # the control chunk comes before
            return 0
        if kind == b"acTL":
            return int.from_bytes(content[place + 8 : place + 12], "big")
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return 0


def decode(content: bytes, scale: int = 1) -> np.ndarray | None:
    """Returns the upright picture [H, W, 3] uint8 RGB, or None if it is damaged.

    A GIF or TIFF with several pictures gives the first. Grey pictures get three equal
    channels, 16 bits become 8, transparency is dropped. The result for a file that
    `ends_early` depends on OpenCV's version.

    Args:
        content: The file.
        scale: 1, or 2, 4 or 8 for a picture smaller by that factor, its sides rounded
            up; of a JPEG the decoder leaves out the finer frequencies, which is faster.
    """
    try:
        flags = cv2.IMREAD_COLOR_RGB | _REDUCED[scale]
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # more pixels than OpenCV takes
        return None


def encode_jpeg(picture: np.ndarray, quality: int) -> bytes:
    """Returns `picture`, [H, W, 3] uint8 RGB, as a JPEG file; `quality` is 0..100."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", picture[..., ::-1], flags)[1].tobytes()


def ends_early(content: bytes) -> bool:
    """Returns whether the end of the image is missing; of a TIFF it is not known."""
    match codec(content):
        case "png":
            return _PNG_END not in content
        case "mjpeg":
            return _jpeg_ends_early(content)
        case "bmp":
            return int.from_bytes(content[2:6], "little") > len(content)
        case "webp":
            return 8 + int.from_bytes(content[4:8], "little") > len(content)
        case "gif":
            return not _gif(content)[1]
    return False


def _jpeg_ends_early(content: bytes) -> bool:
    # a thumbnail in a block has an end of its own: what counts is one behind the pixels
    scan = next((at for kind, at in _jpeg_blocks(content) if kind == _JPEG_SCAN), None)
    return scan is None or content.rfind(_JPEG_END, scan) < 0  # found at once


def _jpeg_blocks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Yields the kind and place of a JPEG's blocks up to the first pixels."""
    place = len(_JPEG_START)
    while content[place : place + 1] == b"\xff":
        kind = content[place + 1 : place + 2]
        if kind == b"\xff":  # padding
            place += 1
            continue
        yield kind, place
        if kind == _JPEG_SCAN:
            return
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
