import sys

import pytest
import tensorflow_datasets as tfds

from data_prep import build_records, tfds_files
from smad_jax.data import catalog, jpeg_frames, record_files, records
from tests.helpers import noise_videos

# TFDS calls protobuf 6, which Beam installs, in the way of protobuf 4.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:label\(\) is deprecated:DeprecationWarning"
)


@pytest.mark.parametrize("store", ["video", "jpeg"])
def test_tfds_opens_an_arrayrecord_data_set_without_tensorflow(tmp_path, store):
    ids = ("run/a b.mp4", "-sit/ü.mp4", "-sit/c.mp4")
    for number, id in enumerate(ids, start=2):
        path = tmp_path / "videos" / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise_videos.encode(number))
    place = ["--videos", str(tmp_path / "videos"), "--out", str(tmp_path)]
    more = ["--file-format", "array_record", "--num-shards", "2", "--holdout", "0"]
    more += ["--store", store]
    assert build_records.main([*place, "--name", "my films; (2)", *more]) == 0
    builder = tfds.builder_from_directory(str(tmp_path / "my films; (2)"))
    source = builder.as_data_source("videos")
    split = catalog.open_split(tmp_path, "my films; (2)", "all")
    assert len(source) == len(split) == 3
    found = {
        example["id"].decode(): example for example in map(source.__getitem__, range(3))
    }
    for row, id in enumerate(split.ids):
        assert found[id]["video"] == split.video(row).video
        assert jpeg_frames.is_packed(found[id]["video"]) == (store == "jpeg")
        assert found[id]["num_frames"] == split.video(row).num_frames
        assert found[id]["label"] == split.labels[row]
    assert builder.info.features["label"].names == ["-sit", "run"]
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize("file_format", record_files.FILE_FORMATS)
def test_every_format_is_described_with_the_sizes_of_its_shards(tmp_path, file_format):
    with records.RecordWriter(tmp_path / "9toys/videos", 2, file_format) as writer:
        for number in range(5):
            writer.write(records.VideoRecord(f"v{number}", bytes(99), 0, 1))
    catalog.write_dataset_file(
        tmp_path / "9toys", name="9toys", classes=["x"], num_videos=5
    )
    arguments = ["--data-root", str(tmp_path), "--dataset", "9toys"]
    assert tfds_files.main(arguments) == 0
    split = tfds.builder_from_directory(str(tmp_path / "9toys")).info.splits["videos"]
    assert split.shard_lengths == [3, 2]
    names = [f"videos-0000{shard}-of-00002.{file_format}" for shard in range(2)]
    assert sorted(split.filenames) == names
    assert split.num_bytes == sum(
        (tmp_path / "9toys" / name).stat().st_size for name in names
    )


def test_folder_without_a_data_set_is_a_data_error(tmp_path, capsys):
    assert tfds_files.main(["--data-root", str(tmp_path), "--dataset", "x"]) == 3
    assert "does not exist" in capsys.readouterr().err
