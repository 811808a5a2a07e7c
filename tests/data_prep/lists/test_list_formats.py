import json

import pytest

from data_prep.lists import list_formats, wanted_videos
from smad_jax import errors


def write(folder, **texts):
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def files(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder


def rows(source, split="train"):
    return [(entry.id, entry.label) for entry in source.splits[split]]


def read(root, text, name="list.txt", val=None, form="auto"):
    """Reads a list of this text, and of `val` for validation."""
    path = root.parent / name
    path.write_text(text, "utf-8")
    other = None
    if val is not None:
        other = root.parent / f"val_{name}"
        other.write_text(val, "utf-8")
    return list_formats.read(root, path, other, form)


KINETICS = "label,youtube_id,time_start,time_end,split,is_cc\n"


def test_kinetics_rows_are_met_by_id_and_times_wherever_they_lie(root):
    files(
        root,
        "train/riding_a_bike/-abcdefghi1_000010_000020.mp4",
        "val/jump/abcdefghij2.webm",
        "train/jump/abcdefghij3_000000_000010.mp4",
        "train/run/abcdefghij3_000000_000010.mkv",
    )
    source = read(
        root,
        KINETICS
        + '"riding a bike",-abcdefghi1,10,20,train,0\n'
        + "jump,abcdefghij2,7,17,validate,0\n"
        + "jump,abcdefghij3,0,10,train,1\n"
        + 'jump,abcdefghij4,3,13,"train",1\n'
        + "jump,abcdefghij5,3,13,test,1\n",
    )
    assert rows(source) == [
        ("train/riding_a_bike/-abcdefghi1_000010_000020.mp4", "riding a bike"),
        ("train/jump/abcdefghij3_000000_000010.mp4", "jump"),
        ("abcdefghij4_000003_000013.mp4", "jump"),
    ]
    assert rows(source, "val") == [("val/jump/abcdefghij2.webm", "jump")]
    assert rows(source, "test") == [("abcdefghij5_000003_000013.mp4", "jump")]
    assert not source.hold_out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("youtube_id,time_start,time_end,split\nabcdefghij1,1,2,test\n", "line 1: no "),
        (KINETICS + "jump,abcdefghij1,1,2,train\n", "line 2: expected 6 columns"),
        (KINETICS + "jump,abcdefghij1,1,2,tune,0\n", "line 2: unknown split 'tune'"),
        (KINETICS + "jump,abcdef,1,2,train,0\n", "line 2: .* YouTube id of 11"),
        (KINETICS + "jump,abcdefghij1,x,2,train,0\n", "line 2: 'x' is no time"),
    ],
)
def test_wrong_kinetics_row_is_named(root, text, message):
    with pytest.raises(errors.DataError, match=message):
        read(root, text)


def test_video_list_that_is_for_training_is_refused_as_validation(root):
    row = "jump,abcdefghij1,1,2,train,0\n"
    with pytest.raises(errors.DataError, match=r"line 2: .* is for 'train'"):
        read(root, KINETICS + row, val=KINETICS + row)


def test_one_name_in_two_places_is_refused(root):
    files(root, "a/abcdefghij1_000001_000002.mp4", "b/abcdefghij1_000001_000002.mp4")
    with pytest.raises(errors.DataError, match=r"line 2: .* could be 'a/.* or 'b/"):
        read(root, KINETICS + "jump,abcdefghij1,1,2,train,0\n")


def test_minikinetics_takes_the_class_from_the_folder(root):
    files(root, "train/jump/abcdefghij1_000001_000011.mp4", "train/run/-bcdefghij2.mp4")
    source = read(root, "abcdefghij1\n-bcdefghij2\nabcdefghij3\n")
    assert rows(source) == [
        ("train/jump/abcdefghij1_000001_000011.mp4", "jump"),
        ("train/run/-bcdefghij2.mp4", "run"),
    ]
    assert "1 ids have no video" in source.notes[0]


def test_frame_lists_give_folder_and_numbers_of_frames(root):
    files(root, "jump/a b/img_00001.jpg")
    [entry] = read(root, "jump/a b 250 3\n").splits["train"]
    assert (entry.id, entry.label) == ("jump/a b", "3")
    assert entry.frames == wanted_videos.Frames("jump/a b", 1, 250)
    entries = read(root, "jump/a b 0 9 3\njump/a b 9 7 4\n").splits["train"]
    assert [entry.id for entry in entries] == ["jump/a b#0", "jump/a b#9"]
    assert entries[1].frames == wanted_videos.Frames("jump/a b", 10, 7)
    for text in ("x 3\n", "x a 3\n"):
        with pytest.raises(errors.DataError, match="line 1: expected `folder frames"):
            read(root, text, form="rawframes")
    with pytest.raises(errors.DataError, match="line 1: 'x' has 0 frames"):
        read(root, "x 0 3\n", form="rawframes")


def test_an_ambiguous_list_needs_a_form(root):
    files(root, "pref/id/part_0.mp4")
    text = "pref/id 5 2 0\n"
    with pytest.raises(
        errors.ConfigError, match=r"any of rawframes_offset, rawvideos; .* --format"
    ):
        read(root, text)
    assert rows(read(root, text, form="rawvideos")) == [("pref/id/part_0.mp4", "5")]
    [entry] = read(root, text, form="rawframes_offset").splits["train"]
    assert entry.frames == wanted_videos.Frames("pref/id", 6, 2)


def test_raw_videos_give_the_parts_that_show_the_action(root):
    files(root, "pref/id/part_0.mp4")
    text = "pref/id 5 7 0 6 2\n"
    wanted = [(f"pref/id/part_{number}.mp4", "5") for number in (0, 6, 2)]
    assert rows(read(root, text)) == wanted
    item = {"video_dir": "pref/id", "label": 5, "num_clips": 7}
    items = [{**item, "positive_clip_inds": [0, 6, 2]}]
    assert rows(read(root, json.dumps(items), "list.json")) == wanted
    items.append({**item, "positive_clip_inds": [7]})
    with pytest.raises(errors.DataError, match=r"item 2: part 7 .* must be 0 to 6"):
        read(root, json.dumps(items), "list.json")
    with pytest.raises(errors.DataError, match=r"line 1: part 3 of 'x' must be 0 to 2"):
        read(root, "x 1 3 3\n", form="rawvideos")


UCF = {
    "classInd.txt": "1 Jump\n2 Run\n",
    "trainlist01.txt": "Jump/v_a.avi 1\nRun/v_b.avi 2\n",
    "testlist01.txt": "Jump/v_c.avi\n",
    "trainlist02.txt": "Jump/v_c.avi 1\nRun/v_b.avi 2\n",
    "testlist02.txt": "Jump/v_a.avi\n",
    "trainlist03.txt": "Jump/v_a.avi 1\nRun/v_b.avi 2\n",
    "testlist03.txt": "Jump/v_c.avi\n",
}


def test_ucf101_has_three_splits_and_counts_from_1(root):
    lists = root.parent / "ucfTrainTestlist"
    write(lists, **UCF)
    source = list_formats.read(root, lists, None, "auto")
    assert set(source.splits) == {
        *("train1", "val1", "train2", "val2", "train3", "val3", "train", "val")
    }
    assert source.classes == ("Jump", "Run")
    assert rows(source) == rows(source, "train1")
    assert rows(source) == [("Jump/v_a.avi", "0"), ("Run/v_b.avi", "1")]
    assert rows(source, "val2") == [("Jump/v_a.avi", "0")]
    found = wanted_videos.resolve(root, source, None)
    assert found.label_of == {"Jump/v_a.avi": 0, "Jump/v_c.avi": 0, "Run/v_b.avi": 1}
    second = list_formats.read(root, lists / "trainlist02.txt", None, "auto")
    assert set(second.splits) == {"train", "val"}
    assert rows(second, "val") == [("Jump/v_a.avi", "0")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trainlist01.txt", "Jump/v_a.avi 2\n", ", line 1: 'Jump/v_a.avi' has class 2"),
        ("testlist02.txt", "\nSit/v_a.avi\n", ", line 2: expected `Class/video.avi`"),
        ("classInd.txt", "1 Jump\n3 Run\n", ", found 'Jump/v_a.avi 1'"),
    ],
)
def test_wrong_ucf101_line_is_named(root, name, text, message):
    write(root.parent / "lists", **{**UCF, name: text})
    with pytest.raises(errors.DataError, match=f"{name}{message}"):
        list_formats.read(root, root.parent / "lists", None, "auto")


def test_hmdb51_has_three_splits_of_which_some_videos_are_in_none(root):
    lists = root.parent / "testTrainMulti_7030_splits"
    for split in "123":
        use = "102" if split == "1" else "021"
        write(
            lists,
            **{
                f"brush_hair_test_split{split}.txt": f"a.avi {use[0]} \nb c.avi 1\n",
                f"run_test_split{split}.txt": f"d.avi {use[1]} \ne.avi {use[2]}\n",
                f"sit_test_split{split}.txt": "f.avi 1\n",
            },
        )
    source = list_formats.read(root, lists, None, "auto")
    assert source.classes == ["brush_hair", "run", "sit"]
    first = [("brush_hair/a.avi", "brush_hair"), ("brush_hair/b c.avi", "brush_hair")]
    assert rows(source, "train1") == [*first, ("sit/f.avi", "sit")]
    assert rows(source, "val1") == [("run/e.avi", "run")]
    assert rows(source, "val3") == [("run/d.avi", "run")]
    assert rows(source, "val") == rows(source, "val1")
    write(lists, **{"sit_test_split2.txt": "f.avi 3\n"})
    with pytest.raises(
        errors.DataError, match=r"split2\.txt, line 1: .*found 'f.avi 3'"
    ):
        list_formats.read(root, lists, None, "auto")


def test_diving48_editions_are_not_mixed(root):
    files(root, "rgb/AB_01.mp4")
    item = {"vid_name": "AB_01", "label": 7, "start_frame": 0, "end_frame": 99}
    text = json.dumps([item, {**item, "vid_name": "AB_02"}])
    old = read(root, text, "Diving48_train.json")
    assert rows(old) == [("rgb/AB_01.mp4", "7"), ("AB_02.mp4", "7")]
    assert "V2 corrects" in old.notes[0]
    new = root.parent / "Diving48_V2_test.json"
    new.write_text(text)
    assert not list_formats.read(root, new, None, "auto").notes
    with pytest.raises(errors.DataError, match="different editions"):
        list_formats.read(root, root.parent / "Diving48_train.json", new, "auto")
    for wrong, message in (
        ({**item, "label": 48}, "item 1: label 48 .* must be 0 to 47"),
        ({**item, "label": "7"}, "item 1: label .* '7'"),
        ({**item, "vid_name": 5}, "item 1: vid_name"),
    ):
        with pytest.raises(errors.DataError, match=message):
            read(root, json.dumps([wrong]), "Diving48_train.json")


def test_gym99_names_carry_event_and_action(root):
    name = "0LtLS9wROrk_E_002407_002435_A_0003_0005"
    files(root, f"subactions/{name}.mp4")
    source = read(root, f"{name} 41\n", val=f"{name[:-1]}6 0\n")
    assert rows(source) == [(f"subactions/{name}.mp4", "41")]
    assert rows(source, "val") == [(f"{name[:-1]}6.mp4", "0")]
    with pytest.raises(errors.DataError, match=r"line 1: .* 0 to 98, found"):
        read(root, f"{name} 99\n")


def test_hvu_videos_of_one_action_are_taken(root):
    items = [
        {"filename": "a.mp4", "label": {"action": [3], "scene": [1, 2]}},
        {"filename": "b.mp4", "label": {"action": [3, 4]}},
        {"filename": "c.mp4", "label": {"concept": [3]}},
        {"frame_dir": "d", "total_frames": 5, "label": {"action": [0]}},
    ]
    source = read(root, json.dumps(items), "hvu.json")
    assert rows(source) == [("a.mp4", "3"), ("d", "0")]
    assert source.splits["train"][1].frames == wanted_videos.Frames("d", 1, 5)
    assert "2 videos have no action tag or several" in source.notes[0]
    with pytest.raises(errors.DataError, match="item 1: label"):
        read(root, json.dumps([{"filename": "a.mp4", "label": 3}]), "hvu.json")


@pytest.mark.parametrize(
    ("name", "text"),
    [("list.json", "{}"), ("list.json", "[3]"), ("list.json", "["), ("list.txt", "")],
)
def test_broken_or_empty_list_is_an_error(root, name, text):
    with pytest.raises(errors.UserError, match="list"):
        read(root, text, name)


def test_plain_lists_stay_what_they_are(root):
    source = read(root, "a b/c.mp4 3\n000/00/000001.jpg 4\n", val="d.webp,3\n")
    assert rows(source) == [("a b/c.mp4", "3"), ("000/00/000001.jpg", "4")]
    assert rows(source, "val") == [("d.webp", "3")]
    assert rows(read(root, "clip without extension 12\n")) == [
        ("clip without extension", "12")
    ]
    assert read(root, "a.mp4 0\n").hold_out


def test_real_lists_are_told_apart_and_read(real_data):
    """Every example list of the reference, and ARAS."""
    lists = real_data / "annotations"
    expected = {
        "hvu_video_eval_test_anno.json": (
            "hvu",
            [("test.mp4", "2"), ("test.avi", "1")],
        ),
        "hvu_frame_test_anno.json": ("hvu", [("imgs", "180")] * 2),
        "rawvideo_test_anno.json": (
            "rawvideos_json",
            [("rawvideo_dataset/part_0.mp4", "1")],
        ),
        "video_test_list.txt": ("list", [("test.mp4", "0")] * 2),
    }
    for name, (form, wanted) in expected.items():
        assert list_formats.detect(real_data, lists / name) == form
        assert rows(list_formats.read(real_data, lists / name, None, "auto")) == wanted
    frames = list_formats.read(
        real_data,
        lists / "rawframe_test_list_with_offset.txt",
        None,
        "rawframes_offset",
    )
    assert frames.splits["train"][0].frames == wanted_videos.Frames("imgs", 3, 5)
    with pytest.raises(errors.DataError, match=r"'test\.mp4' has the labels '0 3'"):
        path = lists / "video_test_list_multi_label.txt"
        list_formats.read(real_data, path, None, "auto")


def test_the_balanced_aras_list_is_a_test_split_of_known_numbers(root, real_data):
    path = real_data / "aras" / "aras_test_balance.txt"
    assert list_formats.detect(root, path) == "aras"
    source = list_formats.read(root, path, None, "auto")
    found = wanted_videos.resolve(root, source, None)
    assert len(source.splits["test"]) == 1038
    assert len(found.splits["test"]) == len(found.label_of) == 921
    assert len(set(found.label_of.values())) == 104
    assert len(found.classes) == 400
    assert not source.hold_out
    (root / "aras_clips").mkdir()
    around = list_formats.read(root, path, None, "auto").splits["test"][0].id
    assert around == f"aras_clips/{source.splits['test'][0].id}"
