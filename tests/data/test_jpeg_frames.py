import pytest

from smad_jax.data import jpeg_frames

V, STRIDE = 13, 2
FILES = [bytes([number]) * (300 + number) for number in range(7)]


def test_files_come_back_as_they_were_packed():
    frames = jpeg_frames.unpack(jpeg_frames.pack(FILES, V, STRIDE))
    assert (frames.num_frames, frames.stride, len(frames)) == (V, STRIDE, len(FILES))
    assert [frames.file(row) for row in range(len(frames))] == FILES


def test_only_the_table_and_the_files_wanted_are_read():
    content = jpeg_frames.pack(FILES, V, STRIDE)
    places = []

    def read(start, stop):
        places.append((start, stop))
        return content[start:stop]

    frames = jpeg_frames.open_frames(len(content), read)
    table = 24 + 8 * len(FILES)
    assert places == [(0, 24), (24, table)]
    assert frames.file(1) == FILES[1]
    assert places[2:] == [(table + 300, table + 601)]


@pytest.mark.parametrize("place", [*range(8, 80), 400, -1])
def test_flipped_bit_is_found(place):
    content = bytearray(jpeg_frames.pack(FILES, V, STRIDE))
    content[place] ^= 1
    with pytest.raises(ValueError, match=r"checksum|end early"):
        list(map(jpeg_frames.unpack(bytes(content)).file, range(len(FILES))))


@pytest.mark.parametrize("length", [8, 23, 24, 79, 80, 700, -1])
def test_content_cut_short_is_refused(length):
    content = jpeg_frames.pack(FILES, V, STRIDE)[:length]
    with pytest.raises(ValueError, match=r"end early|must have"):
        jpeg_frames.unpack(content)


@pytest.mark.parametrize("numbers", [(V, 0), (V, 1), (V + 2, 2), (0, 2)])
def test_contradicting_numbers_are_refused(numbers):
    content = jpeg_frames.pack(FILES, V, STRIDE)
    table = content[24 : 24 + 8 * len(FILES)]
    header = jpeg_frames._header(*numbers, len(FILES), table)
    with pytest.raises(ValueError, match="7 frames are stored"):
        jpeg_frames.unpack(header + content[24:])


def test_number_of_files_must_be_that_of_the_stride():
    for wrong in ((FILES, V, 1), (FILES[:3], V, STRIDE), ([], 0, 1)):
        with pytest.raises(ValueError, match="must be stored"):
            jpeg_frames.pack(*wrong)
