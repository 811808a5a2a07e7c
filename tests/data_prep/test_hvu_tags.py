import json

import numpy as np
import pytest

from data_prep import hvu_tags
from data_prep.labels import hvu
from smad_jax.data import catalog, records

IDS = (
    "train/jump/-bcdefghij1_000010_000020.mp4",
    "train/jump/abcdefghij2_000007_000017.mp4",
    "val/run/abcdefghij3_000030_000040.mp4",
    "val/run/abcdefghij4_000000_000010.mp4",
)
TAGS = (
    "Tag,Category\nparty,event\ngame,event\nwedding,event\nred,attribute\n"
    "blue,attribute\nwater,concept\nsky,concept\njump,action\n"
)
CLIPS = (
    "Tags,youtube_id,time_start,time_end\n"
    "wedding|red|jump|party,-bcdefghij1,10.0,20.0\n"
    '"sky|oddity",abcdefghij2,7,17\n'
    "jump|oddity|game,abcdefghij3,30,40\n"
    "game,abcdefghijX,0,10\n"
)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "kinetics400"
    with records.RecordWriter(folder / "videos", 2) as writer:
        for id in IDS:
            writer.write(records.VideoRecord(id, b"x", 0, 1))
    catalog.write_split(folder, "train", IDS, [0] * 4)
    catalog.write_dataset_file(
        folder, name="kinetics400", classes=["jump"], num_videos=4
    )
    (tmp_path / "tags.csv").write_text(TAGS)
    (tmp_path / "clips.csv").write_text(CLIPS)
    return tmp_path


def run(root, annotations="clips.csv", tags="tags.csv"):
    place = ["--data-root", str(root), "--dataset", "kinetics400"]
    files = ["--annotations", str(root / annotations), "--tags", str(root / tags)]
    return hvu_tags.main([*place, *files])


def test_tags_become_masked_rows_in_alphabetical_order(root, capsys):
    assert run(root) == 0
    aspects = ("event", "attribute", "context")
    split = catalog.open_split(root, "kinetics400", "train", aspects=aspects)
    # event: game party wedding; attribute: blue red; concept: sky water
    np.testing.assert_array_equal(
        split.aspect_labels["event"], [[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    )
    assert split.aspect_mask["event"].tolist() == [True, False, True, False]
    np.testing.assert_array_equal(split.aspect_labels["attribute"][0], [0, 1])
    assert split.aspect_mask["attribute"].tolist() == [True, False, False, False]
    np.testing.assert_array_equal(split.aspect_labels["context"][1], [1, 0])
    assert split.aspect_mask["context"].tolist() == [False, True, False, False]
    assert {aspect.kind for aspect in split.aspects.values()} == {"tags"}
    assert [split.aspects[name].num_labels for name in aspects] == [3, 2, 2]
    names = root / "kinetics400/aspects/event.names.txt"
    assert names.read_text() == "game\nparty\nwedding\n"
    output = capsys.readouterr().out
    assert "4 annotated clips, 1 of them without a video" in output
    assert "4 videos, 1 of them not annotated" in output
    assert "1 tags, 2 times" in output
    assert "event: 2 videos, 3 tags, 1.5 a video\n  the paper's HVU has 69" in output


def test_json_counts_tags_and_names_files_in_tenths_of_a_second(root):
    items = [
        {"filename": "-bcdefghij1_000100_000200.mp4", "label": {"event": [2, 0]}},
        {"frame_dir": "abcdefghij2_000007_000017", "label": {"concept": [1]}},
        {"filename": "abcdefghij3_000030_000040.avi", "label": {"action": [0]}},
    ]
    (root / "clips.json").write_text(json.dumps(items))
    maps = {"event": ["w", "g", "p"], "attribute": ["r"], "concept": ["a", "s"]}
    (root / "tags.json").write_text(json.dumps(maps))
    assert run(root, "clips.json", "tags.json") == 0
    split = catalog.open_split(
        root, "kinetics400", "train", aspects=("event", "context")
    )
    np.testing.assert_array_equal(split.aspect_labels["event"][0], [1, 0, 1])
    assert split.aspect_mask["event"].tolist() == [True, False, False, False]
    np.testing.assert_array_equal(split.aspect_labels["context"][1], [0, 1])
    items[0]["label"]["event"] = [3]
    (root / "clips.json").write_text(json.dumps(items))
    assert run(root, "clips.json", "tags.json") == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",10.0,", ",ten,", "line 2: 'ten' is no time"),
        ("abcdefghij2,7,17", "abcdefghij2,7", "line 3: expected 4 columns"),
        ("youtube_id", "id", "line 1: no column 'youtube_id'"),
        ("game,abcdefghijX,0,10", "game,-bcdefghij1,10,20", "line 5: .* other tags in"),
    ],
)
def test_wrong_annotation_is_named(root, capsys, old, new, message):
    (root / "clips.csv").write_text(CLIPS.replace(old, new))
    assert run(root) == 3
    error = capsys.readouterr().err
    assert all(part in error for part in message.split(" .* "))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TAGS + "party,event\n", "line 10: tag 'party' of 'event'"),
        (TAGS.replace("concept", "context"), "concept"),
        ("Tag\nparty\n", "line 1: no column 'category'"),
    ],
)
def test_wrong_tag_list_is_named(root, capsys, text, message):
    (root / "tags.csv").write_text(text)
    assert run(root) == 3
    assert message in capsys.readouterr().err


def test_videos_of_other_names_are_not_annotated(root, capsys):
    (root / "clips.csv").write_text(
        "Tags,youtube_id,time_start,time_end\ngame,abcdefghijX,0,10\n"
    )
    assert run(root) == 3
    assert "none of the 4 videos" in capsys.readouterr().err


def test_real_label_map_has_the_papers_numbers_of_tags(real_data):
    tags = hvu.read_tags(real_data / "labels" / "hvu_label_map.json")
    sizes = {name: len(tags[category]) for name, category in hvu.CATEGORIES.items()}
    assert sizes == {"event": 69, "attribute": 117, "context": 291}
    path = real_data / "annotations" / "hvu_frame_test_anno.json"
    clips = hvu.read_annotations([path], tags).clips
    assert clips[0].tags["event"] == {16}
    assert clips[0].tags["concept"] == {250, 131, 42, 51, 57, 155, 122}
    found = hvu.match(clips, ["imgs"])
    labels = hvu.join(found, "concept", 291, ["imgs"])
    assert labels.values.sum() == 7
