import unicodedata

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import aspect_records
from smad_jax.reporting.audit import inputs

SHARES = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])


def put(folder, text, name="table.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_classes_are_read_by_column_whatever_the_order_and_delimiter(tmp_path, mark):
    text = "\ufeffLabel,ID\nwalk,a b\n\n7, c\n".replace(",", mark)
    table = inputs.read(put(tmp_path, text), "label")
    assert table.ids.tolist() == ["a b", "c"]
    assert table.hard.tolist() == ["walk", "7"]


def test_one_distribution_is_the_same_in_csv_npz_and_tfrecord(tmp_path):
    csv = put(tmp_path, "id,sea,ice,gym\nx,.5,.25,.25\ny,0,1,0\n")
    np.savez(tmp_path / "t.npz", ids=["x", "y"], probabilities=SHARES)
    record = aspect_records.write(tmp_path, "scene", ["x", "y"], SHARES)
    for path in (csv, tmp_path / "t.npz", record, tmp_path):
        table = inputs.read(path, "scene")
        assert table.ids.tolist() == ["x", "y"]
        np.testing.assert_array_equal(table.shares, SHARES)
        assert table.hard.tolist() == [0, 1]
    assert inputs.read(csv, "scene").names == ("sea", "ice", "gym")


def test_saved_predictions_hold_labels_and_answers(tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, ids=["x", "y"], labels=[2, 0], probabilities=SHARES)
    assert inputs.has_labels(path)
    assert inputs.read(path, "label").hard.tolist() == [2, 0]
    assert inputs.read(path, "prediction").hard.tolist() == [0, 1]


def test_split_list_is_read_though_ids_hold_blanks(tmp_path):
    table = inputs.read(put(tmp_path, "a b 3\nc 0\n", "train.txt"), "label")
    assert table.ids.tolist() == ["a b", "c"]
    assert table.hard.tolist() == ["3", "0"]


def test_table_that_our_predict_writes_has_its_likeliest_class(tmp_path):
    rows = "id,problem,class_1,p_1,class_2,p_2\na.mp4,,wave,0.7,walk,0.2\n"
    path = put(tmp_path, rows + "cut.mp4,truncated: 3 of 9,,,,\n")
    found = inputs.read(path, "prediction")
    assert found.ids.tolist() == ["a.mp4", "cut.mp4"]
    assert found.hard.tolist() == ["wave", ""]


def test_row_of_zeros_has_no_answer(tmp_path):
    table = inputs.read(put(tmp_path, "id,0,1\nx,0,0\ny,.4,.6\n"), "prediction")
    assert table.hard.tolist() == [-1, 1]


def test_equal_rows_count_once_and_are_counted(tmp_path):
    table = inputs.read(put(tmp_path, "id,label\nx,1\ny,2\nx,1\n"), "label")
    assert table.ids.tolist() == ["x", "y"]
    assert table.repeated == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "is empty"),
        ("id,label\n", "has no rows"),
        ("x,1\ny,2\n", "begin with a header.*`id`"),
        ("id,label,label\nx,1,2\n", "two columns called 'label'"),
        ("id,label\nx,1\ny\n", "line 3: 1 cells, the header has 2"),
        ("id,label\nx,1\nx,2\n", "contradict each other for 'x'"),
        ("ID,id,label\nx,1,1\n", "capitals only: ID, id$"),
        ("id,label,Label\nx,1,2\n", "capitals only: label, Label$"),
        ("id,note\nx,1\n", "neither a column `prediction` nor"),
        ("id,0,1\nx,.5,.5\nlast,.5,.4\n", "'last' sums to 0.9000.*1 of 2 rows"),
        ("id,0,1\nx,nan,.5\n", "'x' holds NaN or infinity"),
        ("id,0,1\nx,-2,3\n", "holds -2; .*take the softmax"),
        ("id,0,1,2\nx,1,0,1\n", "has 2 tags"),
        (
            "id,0,1\nx,much,1\n",
            "line 2: .* found 'much'; the 2 columns",
        ),
        (b"id,label\n\xff\xfe,1\n", "line 2 is not UTF-8"),
    ],
)
def test_faulty_csv_is_refused_with_its_line_or_id(tmp_path, text, named):
    path = put(tmp_path, text)
    column = "label" if b"label" in path.read_bytes() else "prediction"
    with pytest.raises(errors.DataError, match=named):
        inputs.read(path, column)


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"ids": ["x"]}, "must hold `ids` and `predictions`.*it holds ids"),
        ({"ids": ["x"], "predictions": [1, 2]}, r"predictions must be \[1\]"),
        ({"ids": ["x"], "predictions": [1.5]}, "whole numbers or names"),
        ({"ids": ["x"], "predictions": [np.inf]}, "whole numbers or names"),
        ({"ids": ["x"], "predictions": [True]}, r"numbers or names .* \[1\] bool"),
        ({"ids": ["x"], "predictions": np.zeros((1, 0))}, r"is \[1, 0\] float64"),
        ({"ids": "x", "predictions": [1]}, "one row for each id"),
        ({"ids": np.array([{}]), "predictions": [1]}, "not an NPZ file of plain"),
        ({"ids": ["x"], "values": np.eye(3)[:1], "classes": ["a", "b"]}, "3 different"),
        ({"ids": ["x"], "values": np.eye(3)[:1], "classes": [*"aba"]}, "3 different"),
    ],
)
def test_faulty_npz_is_refused(tmp_path, arrays, named):
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(errors.DataError, match=named):
        inputs.read(tmp_path / "p.npz", "prediction")


@pytest.mark.parametrize("content", [b"no archive", b"PK\x03\x04 cut short"])
def test_file_that_is_no_npz_is_refused_for_every_column(tmp_path, content):
    path = put(tmp_path, content, "p.npz")
    for read in (inputs.has_labels, lambda path: inputs.read(path, "prediction")):
        with pytest.raises(errors.DataError, match="is not an NPZ file"):
            read(path)


def test_probabilities_of_many_classes_may_be_rounded_to_three_digits(tmp_path):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(400, 0.3), 20).round(3)
    assert np.abs(shares.sum(axis=1) - 1).max() > 0.01
    np.savez(tmp_path / "p.npz", ids=np.arange(20), probabilities=shares)
    found = inputs.read(tmp_path / "p.npz", "prediction")
    assert found.hard.tolist() == shares.argmax(axis=1).tolist()


def test_repeated_probabilities_may_differ_in_their_last_digits(tmp_path):
    text = "id,0,1\nx,0.3,0.7\nx,0.3000001,0.6999999\n"
    assert inputs.read(put(tmp_path, text), "prediction").repeated == 1
    with pytest.raises(errors.DataError, match="contradict each other for 'x'"):
        inputs.read(put(tmp_path, text + "x,0.4,0.6\n"), "prediction")


def test_missing_file_and_names_given_twice_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match="no file at"):
        inputs.read(tmp_path / "none.csv", "label")


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        (range(12), ()),
        (range(1, 13), tuple(map(str, range(1, 13)))),
        (range(3, 15), tuple(map(str, range(3, 15)))),
    ],
)
@pytest.mark.parametrize("prefix", ["", "p_", "prediction_"])
def test_numbered_columns_are_matched_by_their_numbers(
    tmp_path, numbers, names, prefix
):
    columns = sorted(map(str, numbers))
    rows = [f"id,{','.join(prefix + name for name in columns)}"]
    for number in numbers:
        cells = ["0.89" if name == str(number) else "0.01" for name in columns]
        rows.append(f"v{number},{','.join(cells)}")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows))
    table = inputs.read(path, "prediction")
    assert table.names == (tuple(f"{prefix}{n}" for n in numbers) if prefix else names)
    assert table.hard.tolist() == list(range(12))


def test_lone_column_of_another_name_keeps_its_text(tmp_path):
    table = inputs.read(put(tmp_path, "id,code\nx,007\ny,10:20\n"), "label")
    assert table.hard.tolist() == ["007", "10:20"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_of_classes_are_composed_however_they_are_written(tmp_path, form):
    name = unicodedata.normalize(form, "café")
    path = tmp_path / "p.csv"
    path.write_text(f"id,prediction\na,{name}\nb,walk\n", "utf-8")
    assert inputs.read(path, "prediction").answers.tolist() == ["caf\u00e9", "walk"]
    path.write_text(f"id,{name},walk\na,0.4,0.6\n", "utf-8")
    assert inputs.read(path, "prediction").names == ("caf\u00e9", "walk")
