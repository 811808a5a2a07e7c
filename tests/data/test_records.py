import os
import pickle
import threading

import grain
import pytest

from smad_jax import errors
from smad_jax.data import jpeg_frames, record_files, records, tf_example


def write(folder, count=7, num_shards=3, file_format="tfrecord"):
    videos = [
        records.VideoRecord(f"class {i % 2}/ü{i}.mp4", bytes([i]) * 300 * i, i - 1, i)
        for i in range(count)
    ]
    with records.RecordWriter(folder / "videos", num_shards, file_format) as writer:
        for video in videos:
            writer.write(video)
    return videos


@pytest.fixture(params=record_files.FILE_FORMATS)
def file_format(request):
    return request.param


def test_records_come_back_as_they_were_written(tmp_path, file_format):
    videos = write(tmp_path, file_format=file_format)
    reader = records.RecordReader(tmp_path)
    assert reader.file_format == file_format
    assert [shard.num_records for shard in reader.shard_sizes] == [3, 2, 2]
    assert len(reader) == len(videos)
    found = [reader.video(position) for position in range(len(reader))]
    assert found == videos[0::3] + videos[1::3] + videos[2::3]
    assert reader.ids == [video.id for video in found]
    assert found[0].label == -1


def test_example_bytes_are_those_of_the_protocol_buffer(tmp_path):
    # {"id": b"a", "n": 300} worked out from the wire format
    entry_id = b"\x0a\x02id\x12\x05\x0a\x03\x0a\x01a"
    entry_n = b"\x0a\x01n\x12\x06\x1a\x04\x0a\x02\xac\x02"
    body = b"\x0a\x0b" + entry_id + b"\x0a\x0b" + entry_n
    expected = b"\x0a" + bytes([len(body)]) + body
    assert tf_example.encode({"n": 300, "id": b"a"}) == expected
    assert tf_example.decode(expected) == {"id": b"a", "n": 300}


def test_examples_agree_with_generated_protocol_buffers():
    proto = pytest.importorskip("tensorflow_datasets.proto.tf_example_generated_pb2")
    fields = {"id": b"x" * 200, "label": -5, "video": bytes(70_000), "zero": 0}
    example = proto.Example.FromString(tf_example.encode(fields))
    features = example.features.feature
    assert features["video"].bytes_list.value[0] == fields["video"]
    assert list(features["label"].int64_list.value) == [-5]
    assert tf_example.decode(example.SerializeToString()) == fields


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 20_000])
def test_field_is_the_part_of_an_example(size):
    whole = tf_example.encode({"id": b"x" * size, "label": 3})
    assert tf_example.field("id", b"x" * size) in whole
    assert tf_example.field("id", b"x" * (size + 1)) not in whole


@pytest.mark.parametrize("cut", [1, 7, 11])
def test_cut_example_is_a_value_error(cut):
    whole = tf_example.encode({"id": b"abc", "label": 3})
    with pytest.raises(ValueError):
        tf_example.decode(whole[:-cut])


def test_another_reader_of_the_format_reads_the_shards(tmp_path):
    videos = write(tmp_path, num_shards=1)
    path = tmp_path / "videos-00000-of-00001.tfrecord"
    payloads = list(grain.experimental.TFRecordIterDataset(str(path)))
    ids = [tf_example.decode(payload)["id"] for payload in payloads]
    assert ids == [video.id.encode() for video in videos]


def test_arrayrecord_shards_are_read_by_grain(tmp_path):
    videos = write(tmp_path, num_shards=1, file_format="array_record")
    path = tmp_path / "videos-00000-of-00001.array_record"
    with grain.sources.ArrayRecordDataSource(str(path)) as source:
        payloads = [source[row] for row in (6, 0)]
    ids = [tf_example.decode(payload)["id"] for payload in payloads]
    assert ids == [videos[6].id.encode(), videos[0].id.encode()]


def test_equal_records_give_equal_bytes(tmp_path, file_format):
    write(tmp_path / "a", file_format=file_format)
    write(tmp_path / "b", file_format=file_format)
    assert len(list((tmp_path / "a").iterdir())) == 6
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_an_exception_leaves_no_file_behind(tmp_path, file_format):
    with (
        pytest.raises(RuntimeError),
        records.RecordWriter(tmp_path / "v", 2, file_format) as writer,
    ):
        writer.write(records.VideoRecord("a", b"x", 0, 1))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id", ["a", "two\nlines"])
def test_repeated_or_broken_ids_are_refused(tmp_path, id):
    with (
        pytest.raises(errors.DataError, match="id"),
        records.RecordWriter(tmp_path / "v", 1) as writer,
    ):
        writer.write(records.VideoRecord("a", b"x", 0, 1))
        writer.write(records.VideoRecord(id, b"x", 0, 1))


def test_flipped_bit_names_file_and_record(tmp_path, file_format):
    write(tmp_path, num_shards=1, file_format=file_format)
    path = tmp_path / f"videos-00000-of-00001.{file_format}"
    data = bytearray(path.read_bytes())
    data[data.rindex(bytes([6]) * 1000) + 999] ^= 4
    path.write_bytes(data)
    reader = records.RecordReader(tmp_path)
    assert reader.video(0).num_frames == 0
    with pytest.raises(
        errors.DataError, match=rf"00001\.{file_format}, record 6.*(checksum|hash)"
    ):
        reader.video(6)


def test_truncated_arrayrecord_names_the_command_that_repairs(tmp_path):
    write(tmp_path, num_shards=1, file_format="array_record")
    path = tmp_path / "videos-00000-of-00001.array_record"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(errors.DataError, match=r"cut short or was changed.*--reindex"):
        records.RecordReader(tmp_path)
    with pytest.raises(errors.DataError, match=r"array_record, record 0: .* cut short"):
        records.rebuild_index(path)


def test_truncated_shard_names_the_command_that_repairs(tmp_path):
    write(tmp_path, num_shards=1)
    path = tmp_path / "videos-00000-of-00001.tfrecord"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(errors.DataError, match=r"cut short or was changed.*--reindex"):
        records.RecordReader(tmp_path)
    with pytest.raises(errors.DataError, match=r"record 6: at byte .* cut short"):
        records.rebuild_index(path)


@pytest.mark.parametrize("content", [None, b"nonsense", b"SMADIDX1" + bytes(40)])
def test_missing_or_broken_index_is_rebuilt_by_the_named_command(
    tmp_path, content, file_format
):
    videos = write(tmp_path, num_shards=1, file_format=file_format)
    path = tmp_path / f"videos-00000-of-00001.{file_format}"
    index = tmp_path / f"{path.name}.index"
    before = index.read_bytes()
    index.unlink()
    if content is not None:
        index.write_bytes(content)
    with pytest.raises(errors.DataError, match="--reindex"):
        records.RecordReader(tmp_path)
    assert records.rebuild_index(path) == len(videos)
    assert index.read_bytes() == before


def test_missing_shard_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "videos-00001-of-00003.tfrecord").unlink()
    with pytest.raises(errors.DataError, match="lacks videos-00001-of-00003"):
        records.RecordReader(tmp_path)


def test_no_shard_at_all_is_a_data_error(tmp_path):
    with pytest.raises(errors.DataError, match="no videos"):
        records.RecordReader(tmp_path / "nowhere")


def test_position_out_of_range_is_an_index_error(tmp_path):
    write(tmp_path)
    with pytest.raises(IndexError):
        records.RecordReader(tmp_path)[7]


def test_threads_and_pickled_copies_read_the_same(tmp_path, file_format):
    write(tmp_path, file_format=file_format)
    reader = records.RecordReader(tmp_path)
    expected = [reader.video(i) for i in range(7)]
    copy = pickle.loads(pickle.dumps(reader))
    found = {}

    def read(name, source):
        found[name] = [source.video(i) for _ in range(20) for i in range(7)]

    threads = [
        threading.Thread(target=read, args=(name, source))
        for name, source in enumerate((reader, reader, copy))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[name] == expected * 20 for name in range(3))
    reader.close()
    assert reader.video(2) == expected[2]


@pytest.mark.parametrize("swapped", ["ids", "places"])
def test_index_that_names_other_records_is_an_error(tmp_path, file_format, swapped):
    videos = write(tmp_path, 4, 1, file_format)
    path = tmp_path / f"videos-00000-of-00001.{file_format}"
    places, ids = records._read_index(path)
    places = places[[1, 0, 2, 3]] if swapped == "places" else places
    ids = [ids[i] for i in (1, 0, 2, 3)] if swapped == "ids" else ids
    records._write_index(path, path.stat().st_size, places.tolist(), ids)
    reader = records.RecordReader(tmp_path)
    assert reader.video(2) == videos[2]
    for position in (0, 1):
        with pytest.raises(errors.DataError, match=r"not that of the index.*--reindex"):
            reader.video(position)
    if swapped == "ids":
        with pytest.raises(errors.DataError, match=r"record 0.*not that of the index"):
            list(reader.payloads())
    assert records.rebuild_index(path) == 4
    assert records.RecordReader(tmp_path).video(0) == videos[0]


FILES = [bytes([number]) * (2_000 + number) for number in range(200)]


def with_frames(folder, file_format="tfrecord", id="a/b.mp4"):
    """Writes and opens a record of frames between two others."""
    video = jpeg_frames.pack(FILES, 399, 2)
    with records.RecordWriter(folder / "videos", 1, file_format) as writer:
        writer.write(records.VideoRecord("before", b"x" * 5_000, 1, 3))
        writer.write(records.VideoRecord(id, video, 0, 399))
        writer.write(records.VideoRecord("after", b"", 1, 3))
    return records.RecordReader(folder)


@pytest.fixture
def num_read(monkeypatch):
    """The bytes of each read from a shard."""
    found, pread = [], os.pread

    def seen(file, size, place):
        found.append(size)
        return pread(file, size, place)

    monkeypatch.setattr(os, "pread", seen)
    return found


def test_single_frames_are_read_without_the_record(tmp_path, num_read):
    reader = with_frames(tmp_path)
    frames = reader.jpeg_frames(1)
    assert frames is not None
    assert (frames.num_frames, frames.stride, len(frames)) == (399, 2, len(FILES))
    reader.close()  # a later read opens the file again
    assert [frames.file(row) for row in (199, 0, 7)] == [FILES[n] for n in (199, 0, 7)]
    assert sum(num_read) < 10_000 < 40 * len(reader.video(1).video)


def test_other_videos_are_no_frames(tmp_path):
    reader = with_frames(tmp_path)
    assert reader.jpeg_frames(0) is None
    assert reader.jpeg_frames(2) is None
    with pytest.raises(IndexError):
        reader.jpeg_frames(3)


@pytest.mark.parametrize("id", ["x" * 2_000, jpeg_frames.MAGIC.decode() + "/a.mp4"])
def test_frames_behind_an_unusual_id_are_read_with_the_record(tmp_path, id):
    reader = with_frames(tmp_path, id=id)
    assert reader.jpeg_frames(1) is None
    assert jpeg_frames.unpack(reader.video(1).video).file(7) == FILES[7]


def test_arrayrecords_are_read_whole(tmp_path):
    reader = with_frames(tmp_path, "array_record")
    assert reader.jpeg_frames(1) is None
    assert jpeg_frames.unpack(reader.video(1).video).file(7) == FILES[7]


@pytest.mark.parametrize("part", ["id", "magic", "table", "frame"])
def test_damage_is_found_in_single_frames(tmp_path, part):
    reader = with_frames(tmp_path)
    path = tmp_path / "videos-00000-of-00001.tfrecord"
    content = bytearray(path.read_bytes())
    magic = content.index(jpeg_frames.MAGIC)
    place = {
        "id": content.index(b"a/b.mp4"),
        "magic": magic,
        "table": magic + 100,
        "frame": content.index(FILES[7]) + 1_000,
    }[part]
    content[place] ^= 1
    path.write_bytes(content)
    frames = reader.jpeg_frames(1)
    if part == "frame":
        assert frames is not None and frames.file(6) == FILES[6]
        with pytest.raises(ValueError, match="checksum of stored frame 7"):
            frames.file(7)
    else:
        assert frames is None
    with pytest.raises(errors.DataError, match=r"record 1 .*checksum of the record"):
        reader.video(1)


def test_shard_cut_short_after_opening_gives_no_frame(tmp_path):
    reader = with_frames(tmp_path)
    frames = reader.jpeg_frames(1)
    assert frames is not None
    path = tmp_path / "videos-00000-of-00001.tfrecord"
    os.truncate(path, path.read_bytes().index(FILES[7]) + 100)
    assert frames.file(6) == FILES[6]
    for row in (7, 8):
        with pytest.raises(ValueError, match="checksum"):
            frames.file(row)
