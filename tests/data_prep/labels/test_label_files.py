import numpy as np
import pytest

from data_prep.labels import label_files
from smad_jax import errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip 01,.5,.5\nclip 02,.5,.6\n", "line 2: .* the sum 1.1"),
        ("clip 01,.5,.5\nclip 02,1.5,-.5\n", "line 2: .* the least is -0.5"),
        ("clip 01,.5,.5\nclip 02,nan,.5\n", "line 2: probability 0 is not finite"),
        ("clip 01,.5,.5\nclip 02,.2,.3,.5\n", "line 2: 4 cells, the header has 3"),
        ("clip 01,.5,.5\nclip 02,half,.5\n", "line 2: .*'half'"),
        (
            "id,rain\na,yes\nb,2\n",
            "line 2: label 'yes' is a word, .*line 3 .* number 2",
        ),
        ("id,rain\na,1\nb,2.5\n", "line 3: label 2.5 must be a whole number"),
        ("id,rain\na,1\nb,-1\n", "line 3: label -1 .* at least 0"),
        ("id,rain\na,yes\nb,yes\n", "an aspect needs two labels"),
        ("id,rain\na,\nb,\n", "line 2: no label here or below"),
        ("clip 01,.5,.5\nclip 01,.5,.5\n", "line 2: id 'clip 01' comes twice"),
        ("id,p0,p1\n", "holds no labels"),
        ("clip 01\n", "expected `id,p0,p1,...`"),
    ],
)
def test_a_broken_row_is_named_with_its_line(tmp_path, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(errors.DataError, match=message):
        label_files.read_csv(file, label_files.Rules())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,2.5\n", "label 2.5 .* 0 to 6"),
        ("a,7\n", "label 7 .* 0 to 6"),
        ("a,nan\n", "label nan"),
        ("a,.5,.5\n", "2 probabilities, .* 7 labels"),
    ],
)
def test_labels_beyond_the_aspects_number_are_refused(tmp_path, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(errors.DataError, match=message):
        label_files.read_csv(file, label_files.Rules(num_labels=7))


def read(tmp_path, text, known=(), **rules):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return label_files.read_csv(path, label_files.Rules(**rules), known)


@pytest.mark.parametrize(
    ("text", "labels", "names"),
    [
        ("id,label\na,sun\nb,rain\nc,sun\n", [1, 0, 1], ("rain", "sun")),
        ("clip;weather\na;sun\nb;rain\nc;sun\n", [1, 0, 1], ("rain", "sun")),
        ("a,sun\nb,rain\nc,sun\n", [1, 0, 1], ("rain", "sun")),  # a is a video
        ("id,label\na,0\nb,2\nc,1.0\n", [0, 2, 1], ()),
        ("id,label\na,5\nb,40\nc,7\n", [0, 2, 1], ("5", "7", "40")),
        ("id,sun,rain\na,1,0\nb,.5,.5\nc,0,1\n", [0, 0, 1], ("sun", "rain")),
        ("id,p0,p1\na,1,0\nb,.5,.5\nc,0,1\n", [0, 0, 1], ()),
    ],
)
def test_labels_of_an_own_aspect_are_words_or_numbers(tmp_path, text, labels, names):
    found = read(tmp_path, text, known=("a", "b", "c"))
    assert found.ids == ["a", "b", "c"]
    assert found.values.argmax(axis=1).tolist() == labels
    assert found.names == names


def test_given_names_number_the_words(tmp_path):
    names = ("sun", "rain", "fog")
    text = "id,label\na,rain\nb,sun\n"
    found = read(tmp_path, text, names=names)
    assert found.values.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert found.names == names
    with pytest.raises(errors.DataError, match=r"line 3: label 'rian' .* mean 'rain'"):
        read(tmp_path, "id,label\na,sun\nb,rian\n", names=names)
    assert read(tmp_path, "id,n\na,1\n", names=names).values.tolist() == [[0, 1, 0]]


def test_video_with_an_empty_cell_has_no_label(tmp_path):
    assert read(tmp_path, "id,n\na,1\nb,\nc,0\n", usual=3).ids == ["a", "c"]
    assert read(tmp_path, "id,p0,p1\na,1,0\nb,,\nc,0,1\n").ids == ["a", "c"]


@pytest.mark.parametrize(
    "text",
    [
        "id,fog,rain,sun\na,0,1,1\nb,0,0,0\nc,1,0,0\n",
        "id,weather\na,rain|sun\nb,|\nc,fog\n",
        'id,weather\na,"sun, rain"\nb,;\nc,fog\n',
    ],
)
def test_tags_are_columns_or_words_in_a_cell(tmp_path, text):
    found = read(tmp_path, text, tags=True)
    assert found.ids == ["a", "b", "c"]
    assert found.values.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert found.names == ("fog", "rain", "sun")
    with pytest.raises(errors.DataError, match="line 2: tags are 0 or 1"):
        read(tmp_path, "id,fog,sun\na,0.5,0\n", tags=True)


def test_npz_may_hold_words(tmp_path):
    path = tmp_path / "labels.npz"
    np.savez(path, ids=["a", "b"], labels=["sun", "rain"])
    found = label_files.read_npz(path, label_files.Rules())
    assert (found.values.tolist(), found.names) == ([[0, 1], [1, 0]], ("rain", "sun"))
    np.savez(path, ids=["a"], labels=[["sun", "rain"]])
    with pytest.raises(errors.DataError, match="probabilities"):
        label_files.read_npz(path, label_files.Rules())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": ["a"]}, "probabilities"),
        ({"ids": ["a"], "probabilities": np.ones((2, 1))}, r"\[1, Z\]"),
        ({"ids": ["a", "a"], "probabilities": np.ones((2, 1))}, "row 1: id 'a' comes"),
        ({"ids": ["a"], "probabilities": np.full((1, 2), np.nan)}, "row 0: .* finite"),
    ],
)
def test_a_broken_npz_is_refused(tmp_path, arrays, message):
    file = tmp_path / "labels.npz"
    np.savez(file, **arrays)
    with pytest.raises(errors.DataError, match=message):
        label_files.read_npz(file, label_files.Rules())


@pytest.mark.parametrize("start", [0, 1])
def test_columns_sorted_as_text_are_put_in_order(tmp_path, start):
    count = 12
    names = sorted(f"p_{n}" for n in range(start, start + count))
    lines = [f"id,{','.join(names)}"]
    for label in range(count):
        cells = ["0.89" if n == f"p_{label + start}" else "0.01" for n in names]
        lines.append(f"clip {label},{','.join(cells)}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = label_files.read_csv(tmp_path / "labels.csv", label_files.Rules())
    assert found.values.argmax(axis=1).tolist() == list(range(count))


def test_columns_with_a_gap_in_their_numbers_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("id,p_3,p_4\nx,0.5,0.5\n")
    with pytest.raises(errors.DataError, match=r"without a gap.* 3, 4"):
        label_files.read_csv(tmp_path / "labels.csv", label_files.Rules())


@pytest.mark.parametrize(
    "text",
    [
        "clip,p0,p1\n007,0.25,0.75\n08,1,0\n",
        "Video_Name;p0;p1\n007;0,25;0,75\n08;1;0\n",
        "id,0,1\n007,0.25,0.75\n08,1,0\n",
        ",clip,p0,p1\n0,007,0.25,0.75\n1,08,1,0\n",
        "007,0.25,0.75\n08,1,0\n",
    ],
)
def test_header_may_call_the_ids_anything_and_ids_stay_text(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    found = label_files.read_csv(path, label_files.Rules())
    assert found.ids == ["007", "08"]
    assert found.values.tolist() == [[0.25, 0.75], [1, 0]]


def test_row_without_id_and_probabilities_that_are_text_are_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,p0,p1\na,0.5,0.5\n,0.5,0.5\n")
    with pytest.raises(errors.DataError, match="line 3"):
        label_files.read_csv(path, label_files.Rules())
    np.savez(tmp_path / "labels.npz", ids=["a"], probabilities=[["x", "y"]])
    with pytest.raises(errors.DataError, match=r"labels\.npz"):
        label_files.read_npz(tmp_path / "labels.npz", label_files.Rules())
