import pathlib

import pytest

from smad_jax import errors
from smad_jax.reporting import documents


def test_replace_changes_what_is_between_the_markers_and_nothing_else(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# Title\n<!-- study -->\nold\n<!-- end study -->\ntail\n")
    documents.check(path, "study")
    for _ in range(2):
        documents.replace(path, "study", "new\n")
        expected = "# Title\n<!-- study -->\nnew\n<!-- end study -->\ntail\n"
        assert path.read_text() == expected


def test_part_is_found_by_its_whole_name(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(
        "<!-- study-means -->\n<!-- end study-means -->\n"
        "<!-- study -->\n<!-- end study -->\n"
    )
    documents.replace(path, "study", "all")
    documents.replace(path, "study-means", "means")
    assert path.read_text() == (
        "<!-- study-means -->\nmeans\n<!-- end study-means -->\n"
        "<!-- study -->\nall\n<!-- end study -->\n"
    )


@pytest.mark.parametrize(
    "act", [documents.check, lambda path, name: documents.replace(path, name, "new")]
)
def test_missing_marker_is_an_error_and_leaves_the_file(act, tmp_path):
    path = tmp_path / "page.md"
    path.write_text("<!-- study -->")
    with pytest.raises(errors.DataError, match="<!-- end study -->"):
        act(path, "study")
    assert path.read_text() == "<!-- study -->"
    with pytest.raises(errors.DataError, match=r"no document at .*other\.md"):
        act(tmp_path / "other.md", "study")


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("README.md", "study-lasting-means"),
        ("docs/results/lasting.md", "study-lasting"),
        ("docs/results/lasting.md", "tune-lasting"),
        ("docs/results/lasting.md", "tune-lasting-edges"),
        ("docs/results/lasting-parts.md", "study-lasting-parts"),
        ("docs/results/milder.md", "tune-milder"),
        ("docs/results/milder.md", "tune-milder-edges"),
        ("docs/results/smad.md", "study-smad"),
        ("docs/results/smad.md", "tune-smad"),
        ("docs/results/longer.md", "study-longer"),
        ("docs/results/omnidebias.md", "study-omnidebias"),
    ],
)
def test_our_documents_have_their_markers(page, name):
    documents.check(pathlib.Path(__file__).parents[2] / page, name)
