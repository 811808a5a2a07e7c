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
        ("clip 01,.5,.5\nclip 02,.2,.3,.5\n", "line 2: 4 columns, but .* have 3"),
        ("clip 01,.5,.5\nclip 02,half,.5\n", "line 2: could not convert .*'half'"),
        ("clip 01,.5,.5\nclip 01,.5,.5\n", "line 2: id 'clip 01' was on line 1"),
        ("id,p0,p1\n", "holds no labels"),
        ("clip 01\n", "line 1: expected `id,p0,p1,...`"),
    ],
)
def test_a_broken_row_is_named_with_its_line(tmp_path, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(errors.DataError, match=message):
        label_files.read_csv(file)


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
        label_files.read_csv(file, num_labels=7)


def test_hard_labels_without_their_number_are_refused(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("a,2\n")
    with pytest.raises(errors.DataError, match="--num-labels"):
        label_files.read_csv(file)


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
        label_files.read_npz(file)
