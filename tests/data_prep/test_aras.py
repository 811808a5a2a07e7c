import numpy as np
import pytest

from data_prep import aras
from smad_jax.data import catalog, records

NAMES = ("air drumming", "archery", "bowling", "yoga")
LISTED = [
    ("aras_clips/archery/x_0.mp4", 1),
    ("aras_clips/archery/x_0.mp4", 1),
    ("aras_clips/yoga/-y_0.mp4", 3),
    ("aras_clips/air_drumming/z_0.mp4", 0),
    ("aras_clips/bowling/gone_0.mp4", 2),
]


def store(root, ids, classes, k200=None):
    """An `aras` data set with these ids, and the Kinetics that gives the numbers."""
    with records.RecordWriter(root / "aras" / "videos", 1) as writer:
        for id in ids:
            writer.write(records.VideoRecord(id, b"x", 0, 1))
    catalog.write_dataset_file(
        root / "aras", name="aras", classes=["any"], num_videos=len(ids)
    )
    kinetics = root / "kinetics400"
    catalog.write_dataset_file(
        kinetics, name="kinetics400", classes=classes, num_videos=0
    )
    if k200:
        catalog.write_split(kinetics, "k200db-train", ["a"], [0], k200)


def run(root, listed, names, *more):
    options = ["--data-root", root, "--list", listed, "--names", names]
    return aras.main([*map(str, options), *more])


@pytest.fixture
def lists(tmp_path):
    listed, names = tmp_path / "list.txt", tmp_path / "names.txt"
    rows = (f"{path} {label}" for path, label in LISTED)
    listed.write_bytes("\r\n".join(rows).encode())
    names.write_bytes("\r\n".join(NAMES).encode())
    return listed, names


@pytest.mark.parametrize("prefix", ["aras_clips/", ""])
def test_labels_are_renumbered_by_class_name(tmp_path, lists, capsys, prefix):
    ids = [f"{prefix}{path.partition('/')[2]}" for path, _ in LISTED[1:4]]
    numbering = ("yoga", "bowling", "air_drumming", "archery")
    store(tmp_path, ids, numbering, k200=("skiing", "archery", "yoga"))
    assert run(tmp_path, *lists) == 0
    everything = catalog.open_split(tmp_path, "aras", "aras104")
    assert everything.ids == (ids[0], ids[0], ids[1], ids[2])
    assert everything.labels.tolist() == [3, 3, 0, 2]
    assert everything.classes == numbering
    part = catalog.open_split(tmp_path, "aras", "aras64")
    assert part.ids == (ids[0], ids[0], ids[1])
    assert part.labels.tolist() == [1, 1, 2]
    assert part.classes == ("skiing", "archery", "yoga")
    assert capsys.readouterr().out.splitlines() == [
        "aras104: 4 lines, 3 clips, 3 classes; 1 lines left out, their clips are "
        "missing",
        "aras64: 3 lines, 2 clips, 2 classes",
    ]


def test_repeats_can_be_dropped_and_aras64_needs_k200db(tmp_path, lists, capsys):
    store(tmp_path, [path for path, _ in LISTED[1:]], NAMES)
    assert run(tmp_path, *lists, "--unique") == 0
    split = catalog.open_split(tmp_path, "aras", "aras104")
    assert split.ids == tuple(path for path, _ in LISTED[1:])
    assert not (tmp_path / "aras/splits/aras64.txt").exists()
    assert "no split 'k200db-train'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ids", "classes", "names", "message"),
    [
        (["other.mp4"], NAMES, NAMES, "'aras_clips/archery"),
        ([LISTED[0][0]], ("skiing",), NAMES, "the 1 training classes"),
        ([LISTED[0][0]], NAMES, NAMES[:3], "line 3: label '3' must be 0 to 2"),
    ],
)
def test_lists_that_do_not_fit_are_data_errors(
    tmp_path, lists, capsys, ids, classes, names, message
):
    store(tmp_path, ids, classes)
    lists[1].write_text("\n".join(names))
    assert run(tmp_path, *lists) == 3
    assert message in capsys.readouterr().err


def test_the_real_list_has_1038_lines_of_921_clips(tmp_path, real_data, capsys):
    listed = real_data / "aras" / "aras_test_balance.txt"
    names = real_data / "aras" / "k400_actions.txt"
    actions = names.read_text("utf-8").split("\n")
    text = (real_data / "kinetics" / "minikinetics200_classes.txt").read_text("utf-8")
    k200 = sorted(line.rpartition("\t")[2] for line in text.splitlines())
    rows = [line.rpartition(" ") for line in listed.read_text("utf-8").split("\n")]
    store(tmp_path, sorted({path for path, _, _ in rows}), actions, k200)
    assert run(tmp_path, listed, names) == 0
    # K200db swaps one class of Mini-Kinetics-200 for another, hence 63 and not 64
    assert capsys.readouterr().out.splitlines() == [
        "aras104: 1038 lines, 921 clips, 104 classes",
        "aras64: 630 lines, 573 clips, 63 classes",
    ]
    everything = catalog.open_split(tmp_path, "aras", "aras104")
    np.testing.assert_array_equal(everything.labels, [int(row[2]) for row in rows])
    split = catalog.open_split(tmp_path, "aras", "aras64")
    for id, label in zip(split.ids, split.labels, strict=True):
        assert id.split("/")[1].replace("_", " ") == k200[label]
    assert run(tmp_path, listed, names, "--unique") == 0
    assert "aras104: 921 lines, 921 clips" in capsys.readouterr().out
