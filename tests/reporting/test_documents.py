import pytest

from smad_jax import errors
from smad_jax.reporting import documents


def test_replace_changes_what_is_between_the_markers_and_nothing_else(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# Title\n<!-- study -->\nold\n<!-- end study -->\ntail\n")
    for _ in range(2):
        documents.replace(path, "study", "new\n")
        expected = "# Title\n<!-- study -->\nnew\n<!-- end study -->\ntail\n"
        assert path.read_text() == expected


def test_missing_marker_is_an_error_and_leaves_the_file(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("<!-- study -->")
    with pytest.raises(errors.DataError, match="<!-- end study -->"):
        documents.replace(path, "study", "new")
    assert path.read_text() == "<!-- study -->"
