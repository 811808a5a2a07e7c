"""Tables of videos and classes in the forms that people export them in."""

import gzip
import json

import pytest

from data_prep.lists import list_formats, wanted_videos
from smad_jax import errors

VIDEOS = ("walk/w1.mp4", "walk/w2.mp4", "run/r1.mp4", "run/r2.mp4")


@pytest.fixture
def root(tmp_path):
    for name in VIDEOS:
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "clips"


def listed(root, text, *, name="list.csv", encoding="utf-8", packed=False):
    content = text.encode(encoding)
    path = root.parent / name
    path.write_bytes(gzip.compress(content) if packed else content)
    return list_formats.read(root, path, None, "auto")


def labels_of(source):
    return {entry.id: entry.label for part in source.splits.values() for entry in part}


PLAIN = "".join(f"{name},{name.split('/')[0]}\n" for name in VIDEOS)
TABLES = {
    "plain": PLAIN,
    "header": f"path,label\n{PLAIN}",
    "other names": "Video_Name,Action\n" + PLAIN,
    "tabs": PLAIN.replace(",", "\t"),
    "semicolons": "path;label\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
    "index": ",path,label\n"
    + "".join(f"{n},{line}\n" for n, line in enumerate(PLAIN.splitlines())),
    "label first": "label,path\n"
    + "".join(
        ",".join(reversed(line.split(","))) + "\n" for line in PLAIN.splitlines()
    ),
    "label first, no header": "".join(
        ",".join(reversed(line.split(","))) + "\n" for line in PLAIN.splitlines()
    ),
    "counts behind": "".join(f"{line},3,0\n" for line in PLAIN.splitlines()),
    "backslashes": PLAIN.replace("/", "\\"),
    "comment": "#path label\n" + PLAIN.replace(",", " "),
    "quoted": "".join('"{}","{}"\n'.format(*s.split(",")) for s in PLAIN.splitlines()),
    "without endings": PLAIN.replace(".mp4", ""),
    "without folders": "".join(
        f"{line.split('/')[1].replace('.mp4', '')}\n" for line in PLAIN.splitlines()
    ),
    "blanks": PLAIN.replace(",", " "),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_dialect_gives_the_same_videos(root, name, encoding):
    source = listed(root, TABLES[name], encoding=encoding, packed=encoding == "utf-8")
    assert labels_of(source) == {name: name.split("/")[0] for name in VIDEOS}


def test_column_of_parts_makes_the_splits(root):
    text = "".join(
        f"{line},{part}\n"
        for line, part in zip(
            PLAIN.splitlines(), ("Train", "validation", "training", "val"), strict=True
        )
    )
    source = listed(root, text)
    assert {k: [e.id for e in v] for k, v in source.splits.items()} == {
        "train": ["walk/w1.mp4", "run/r1.mp4"],
        "val": ["walk/w2.mp4", "run/r2.mp4"],
    }
    assert not source.hold_out


def test_label_with_a_comma_keeps_it_and_loses_its_quotes(root):
    text = PLAIN.replace(",walk", ',"walk, fast"')
    assert set(labels_of(listed(root, text)).values()) == {"walk, fast", "run"}


def test_whole_numbers_with_a_point_are_numbers(root):
    text = "".join(f"{name},{n}.0\n" for n, name in enumerate(VIDEOS))
    source = listed(root, text)
    found = wanted_videos.resolve(root, source, None)
    assert found.label_of == {name: n for n, name in enumerate(VIDEOS)}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("walk/w1.mp4,0,1\nrun/r1.mp4,0,1\n", "line 1.*2 labels"),
        ("walk/w1.mp4,a,b\nrun/r1.mp4,b,c\n", r"line 1.*columns 2 \('a'\), 3 \('b'\)"),
        ("walk/w1.mp4,walk\nrun/r1.mp4\n", "line 2"),
        ("a.mp4,x\nb.mp4,x\nc.mp4,x,y\n", "line 3: 3 columns.* 2"),
        ("path,class,label\nwalk/w1.mp4,a,b\n", "line 1.*'class'.*'label'"),
        ("walk/w1.mp4,walk,train\nrun/r1.mp4,run,tran\n", "line 1"),
        ("walk/w1.mp4,\nrun/r1.mp4,run\n", "line 1"),
    ],
)
def test_what_has_two_readings_is_refused_by_line(root, text, named):
    with pytest.raises(errors.DataError, match=named):
        listed(root, text)


def test_activitynet_json_gives_subsets_and_skips_what_has_no_label(root):
    database = {
        "w1": {"subset": "training", "annotations": {"label": "walk"}},
        "w2": {"subset": "validation", "annotations": [{"label": "walk"}]},
        "r1": {"subset": "training", "annotations": {"label": "run"}},
        "x": {"subset": "testing", "annotations": []},
    }
    source = listed(root, json.dumps({"database": database}), name="a.json")
    assert labels_of(source) == {
        "walk/w1.mp4": "walk",
        "walk/w2.mp4": "walk",
        "run/r1.mp4": "run",
    }
    assert [e.id for e in source.splits["val"]] == ["walk/w2.mp4"]
    assert "1 videos without annotations" in source.notes[0]
    database["w1"]["annotations"] = [{"label": "walk"}, {"label": "run"}]
    with pytest.raises(errors.DataError, match=r"item 1.*run, walk"):
        listed(root, json.dumps({"database": database}), name="a.json")


MISREAD = {
    # text, and the label of each video
    "labels that count the rows": (
        "walk/w1.mp4,0\nrun/r1.mp4,1\n",
        {"walk/w1.mp4": "0", "run/r1.mp4": "1"},
    ),
    "lines end as on old Macs": (
        "walk/w1.mp4,0\rrun/r1.mp4,1\rrun/r2.mp4,1\r",
        {"walk/w1.mp4": "0", "run/r1.mp4": "1", "run/r2.mp4": "1"},
    ),
    "Excel states the separator": (
        "sep=;\npath;label\nwalk/w1.mp4;in, out\n",
        {"walk/w1.mp4": "in, out"},
    ),
    "empty column": (
        "walk/w1.mp4,0,\nrun/r1.mp4,1,\nrun/r2.mp4,1,\n",
        {"walk/w1.mp4": "0", "run/r1.mp4": "1", "run/r2.mp4": "1"},
    ),
    "missing videos without ending": (
        "video_id,label\nw1,fast walk\nw7,fast walk\nw8,slow walk\n",
        {"walk/w1.mp4": "fast walk", "w7": "fast walk", "w8": "slow walk"},
    ),
    "some missing, no header": (
        "w7,fast walk\nw1,fast walk\nr9,run\nr1,run\n",
        {
            "w7": "fast walk",
            "walk/w1.mp4": "fast walk",
            "r9": "run",
            "run/r1.mp4": "run",
        },
    ),
    "first video missing, no header": (
        "w7,walk\nw1,walk\nr1,run\n",
        {"w7": "walk", "walk/w1.mp4": "walk", "run/r1.mp4": "run"},
    ),
    "first video missing, its class named once": (
        "w7,sit\nw1,walk\nr1,run\n",
        {"w7": "sit", "walk/w1.mp4": "walk", "run/r1.mp4": "run"},
    ),
    "class called as columns are": (
        "w7,action\nw1,walk\nr1,action\n",
        {"w7": "action", "walk/w1.mp4": "walk", "run/r1.mp4": "action"},
    ),
    "classes called as videos are": (
        "run/r1,w1\nwalk/w1,r1\n",
        {"run/r1.mp4": "w1", "walk/w1.mp4": "r1"},
    ),
    "two columns of files": (
        "frames,video,label\nf/w1.mp4,walk/w1.mp4,walk\nf/r1.mp4,run/r1.mp4,run\n",
        {"walk/w1.mp4": "walk", "run/r1.mp4": "run"},
    ),
    "two columns of files, no header": (
        "walk/w1.mp4,f/w1.mp4,0\nrun/r1.mp4,f/r1.mp4,1\n",
        {"walk/w1.mp4": "0", "run/r1.mp4": "1"},
    ),
    "header between blanks": (
        "path label\nwalk/w1.mp4 walk\nrun/r1.mp4 run\n",
        {"walk/w1.mp4": "walk", "run/r1.mp4": "run"},
    ),
}


@pytest.mark.parametrize("name", MISREAD)
def test_list_that_invites_another_reading_is_read_as_it_is_meant(root, name):
    text, labels = MISREAD[name]
    assert labels_of(listed(root, text)) == labels


@pytest.mark.parametrize(
    "text",
    [
        "# nothing\n# but comments\n",
        "path,label\n",
        "walk/w1.mp4 train 3\nrun/r1.mp4 val 2\n",
        '{"path": "walk/w1.mp4", "label": 0}\n',
        '[{"path": "walk/w1.mp4", "label": 0}]\n',
        "walk/w1.mp4,0\rrun/r1.mp4,1\nrun/r2.mp4,1\n",
    ],
)
def test_list_that_is_none_is_refused_by_name(root, text):
    with pytest.raises(errors.DataError, match=r"list\.csv"):
        listed(root, text)


def test_numbers_and_names_of_classes_in_one_list_are_refused(root):
    source = listed(root, "walk/w1.mp4 0\nrun/r1.mp4 run\n")
    with pytest.raises(errors.DataError, match=r"line 2: 'run/r1.mp4' .* 'run'"):
        wanted_videos.resolve(root, source, None)


def test_folder_in_the_list_decides_between_files_of_one_name(root):
    (root / "walk/r1.mp4").touch()
    source = listed(root, "run/r1,a\nwalk/r1,b\n")
    assert labels_of(source) == {"run/r1.mp4": "a", "walk/r1.mp4": "b"}


NUMBERED = {
    "id beside the video": ("id,video,label", "{n},{m}.webm,{n}"),
    "id without ending": ("video,id,label", "{m},99{n},{n}"),
    "class first": ("label,path", "{n},{m}"),
    "column of another name": ("label,stem", "{n},{m}"),
    "class first, no header": ("", "{n},{m}.webm"),
    "no header": ("", "{m}.webm,{n}"),
    "counted": ("", "{n},{m}.webm,{n}"),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_number_of_a_class_is_not_the_name_of_a_video(root, name):
    header, line = NUMBERED[name]
    for n in range(4):
        (root / f"{n}.webm").touch()
    lines = [header, *(line.format(n=n, m=3 - n) for n in range(4))]
    source = listed(root, "".join(f"{line}\n" for line in lines if line))
    assert labels_of(source) == {f"{3 - n}.webm": str(n) for n in range(4)}


def test_columns_that_could_each_name_the_video_are_refused(root):
    for n in range(4):
        (root / f"{n}.webm").touch()
    with pytest.raises(errors.DataError, match=r"line 1: columns 1 \('0'\), 2 \('3'\)"):
        listed(root, "0,3\n1,2\n2,1\n3,0\n")
