import pytest

from data_prep.lists import delimited, wanted_videos
from smad_jax import errors
from smad_jax.data import label_names


def entries(tmp_path, text):
    path = tmp_path / "list.txt"
    path.write_text(text, "utf-8")
    return delimited.read_list(path)


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("a/b.mp4 3", "a/b.mp4", "3"),
        ("my films/-x é.MP4\triding a bike", "my films/-x é.MP4", "riding a bike"),
        ("a.mp4 b.avi,7", "a.mp4 b.avi", "7"),
        ("clip without extension 12", "clip without extension", "12"),
        ("-dash.webm run", "-dash.webm", "run"),
        ('"a, b/-x y.mp4","in, out"', "a, b/-x y.mp4", "in, out"),
        ("#1 hits/b.mp4 3", "#1 hits/b.mp4", "3"),
    ],
)
def test_line_is_path_and_label(tmp_path, line, path, label):
    (entry,) = entries(tmp_path, f"\ufeff\n{line}\r\n")
    assert (entry.id, entry.label) == (path, label)
    assert entry.where.endswith("list.txt, line 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4 1\nb.mp4\n", "line 2: expected `relative/path label`"),
        ("a.mp4 1 2\n", "line 1: 'a.mp4' has the labels '1 2'"),
        ("\n \n", "is empty"),
        ("# path label\n", "is empty"),
        ('a.mp4 1\n"b.mp4" 1\n', "line 2: expected `relative/path label`"),
    ],
)
def test_wrong_line_is_named(tmp_path, text, message):
    with pytest.raises(errors.DataError, match=message):
        entries(tmp_path, text)


def resolve(tmp_path, train, val=None, classes=None):
    splits = {"train": entries(tmp_path, train)}
    if val is not None:
        splits["val"] = entries(tmp_path, val)
    return wanted_videos.resolve(tmp_path, wanted_videos.Source(splits), classes)


def test_number_that_no_label_has_is_named_before_so_many_names_are_made(tmp_path):
    with pytest.raises(errors.DataError, match=r"line 2: label 9{20} .* 0 to 999999"):
        resolve(tmp_path, f"a.mp4 0\nb.mp4 {'9' * 20}\n")


def test_a_part_of_a_list_can_be_looked_at(tmp_path):
    source = wanted_videos.Source({"train": entries(tmp_path, "a.mp4 2\n")})
    with pytest.raises(errors.DataError, match="2 of 3 classes"):
        wanted_videos.resolve(tmp_path, source, None)
    found = wanted_videos.resolve(tmp_path, source, None, all_classes=False)
    assert found.label_of == {"a.mp4": 2}


def test_class_names_are_numbered_in_sorted_order(tmp_path):
    found = resolve(tmp_path, "a.mp4 sit\nb.mp4 jump\nc.mp4 sit\n", "d.mp4 jump\n")
    assert found.classes == ["jump", "sit"]
    assert found.label_of == {"a.mp4": 1, "b.mp4": 0, "c.mp4": 1, "d.mp4": 0}
    assert found.splits == {"train": ["a.mp4", "b.mp4", "c.mp4"], "val": ["d.mp4"]}


def test_class_file_orders_names_and_forgives_underscores(tmp_path):
    text = "a.mp4 ride_bike\nb.mp4 jump\n"
    found = resolve(tmp_path, text, classes=["ride bike", "jump"])
    assert found.classes == ["ride bike", "jump"]
    assert found.label_of == {"a.mp4": 0, "b.mp4": 1}


def test_paths_are_made_plain_and_repeats_count_once(tmp_path):
    text = f"x/../a.mp4 0\n./a.mp4 0\n{tmp_path}/b.mp4 1\n"
    found = resolve(tmp_path, text)
    assert found.label_of == {"a.mp4": 0, "b.mp4": 1}
    assert found.splits == {"train": ["a.mp4", "b.mp4"]}


@pytest.mark.parametrize(
    ("train", "val", "classes", "message"),
    [
        ("a.mp4 0\nb.mp4 2\n", None, ["x", "y"], "line 2: label 2 .* must be 0 to 1"),
        ("a.mp4 0\nb.mp4 -1\n", None, None, "line 2: label -1 .* at least 0"),
        ("a.mp4 1\nb.mp4 2\n", None, None, "no training video: '0'; labels count"),
        ("a.mp4 x\nb.mp4 z\n", None, ["x", "y"], "line 2: class 'z' .* not among"),
        ("a.mp4 0\n../b.mp4 0\n", None, None, "line 2: '../b.mp4' lies outside"),
        ("/etc/b.mp4 0\n", None, None, "lies outside"),
        ("a.mp4 0\nb.mp4 1\na.mp4 1\n", None, None, "line 3: 'a.mp4' has label '1'"),
        ("a.mp4 0\n", "a.mp4 0\n", None, "line 1: 'a.mp4'"),
        ("a.mp4 0\n", "b.mp4 1\n", None, "1 of 2 classes"),
    ],
)
def test_broken_rule_is_named(tmp_path, train, val, classes, message):
    with pytest.raises(errors.DataError, match=message):
        resolve(tmp_path, train, val, classes)


def test_repeated_class_name_is_refused(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("a\nb\na\n")
    with pytest.raises(errors.DataError, match="the name 'a' twice"):
        label_names.read(path)


def test_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("a.mp4 0\nfilé.mp4 1\n".encode("latin-1"))
    with pytest.raises(errors.DataError, match=r"line 2 is not UTF-8"):
        delimited.read_list(path)


@pytest.mark.parametrize("folder", ["../secret", "/etc", "a/../../b"])
def test_frames_outside_of_the_folder_are_refused(tmp_path, folder):
    frames = wanted_videos.Frames(folder, 1, 3)
    entry = wanted_videos.Entry("clip#0", "0", "list.txt, line 1", frames=frames)
    source = wanted_videos.Source({"train": [entry]})
    with pytest.raises(errors.DataError, match=r"line 1: .* lies outside"):
        wanted_videos.resolve(tmp_path, source, None)
