import csv

import cv2
import numpy as np
import pytest

from data_prep.bias import redistribution, scene_figures
from smad_jax import errors

NAMES = ["lawn", "pool", "street", "hall", "cave", "roof", "moon"]
# the worked example of the split: 6 videos for validation are scenes 5, 3, 4 and 2
FACTORS = np.repeat([0, 1, 2, 3, 4, 5, -1], [10, 5, 3, 2, 2, 1, 4])


def test_scenes_of_a_class_go_from_frequent_to_rare_up_to_the_cut():
    rows = scene_figures.counts_of_class(FACTORS, NAMES, num_val=6)
    assert [(row.name, row.videos, row.side) for row in rows] == [
        ("lawn", 10, "train"),
        ("pool", 5, "train"),
        ("street", 3, "val"),
        ("cave", 2, "val"),
        ("hall", 2, "val"),
        ("roof", 1, "val"),
    ]
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5, 6]
    assert sum(row.share for row in rows) == pytest.approx(1)


def test_the_cut_is_the_split_s_whatever_the_counts():
    rng = np.random.default_rng(0)
    for num_val in (1, 4, 5, 17):
        factors = rng.geometric(0.3, 60) % 7
        rows = scene_figures.counts_of_class(factors, NAMES, num_val=num_val)
        parts = redistribution.redistribute(
            [f"v{row:02}" for row in range(60)],
            np.zeros(60, int),
            factors,
            ["x"],
            redistribution.Sizes(num_val, 1, allow_short=True),
            seed=0,
        )
        held = {row.label for row in rows if row.side == "val"}
        assert held == set(factors[parts.val].tolist())
        sides = [row.side for row in rows]
        assert sides == sorted(sides)  # all of train stand before all of val


COUNTS = {
    "kinetics": np.array([[6, 3, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 4]]),
    "web": np.array([[1, 0, 0, 4, 2, 3, 0], [1, 0, 0, 0, 0, 0, 1]]),
}


def shares(order):
    rows = scene_figures.shares_of_classes(
        COUNTS, ["golf", "yoga"], NAMES, top=2, order=order
    )
    return {
        (action, source): [
            (row.name, round(row.share, 9))
            for row in rows
            if (row.action, row.source) == (action, source)
        ]
        for action in ("golf", "yoga")
        for source in COUNTS
    }


def test_each_source_shows_its_own_scenes_or_those_of_the_first():
    own, first = shares("own"), shares("first")
    assert own["golf", "kinetics"] == first["golf", "kinetics"]
    expected = [("lawn", 0.6), ("pool", 0.3), ("other", 0.1)]
    assert own["golf", "kinetics"] == expected
    expected = [("hall", 0.4), ("roof", 0.3), ("other", 0.3)]
    assert own["golf", "web"] == expected
    expected = [("lawn", 0.1), ("pool", 0), ("other", 0.9)]
    assert first["golf", "web"] == expected
    assert first["yoga", "web"][0] == ("moon", 0.5)


def test_a_class_without_labels_is_refused():
    with pytest.raises(errors.DataError, match="no video"):
        scene_figures.counts_of_class(np.array([-1]), NAMES, num_val=1)
    empty = {"web": np.zeros((1, 7), int)}
    with pytest.raises(errors.DataError, match="'golf'"):
        scene_figures.shares_of_classes(empty, ["golf"], NAMES, top=1, order="own")


def test_tables_hold_what_the_pictures_show(tmp_path):
    rows = scene_figures.counts_of_class(FACTORS, NAMES, num_val=6)
    scene_figures.write_csv(tmp_path / "fig1.csv", rows)
    with open(tmp_path / "fig1.csv") as file:
        listed = list(csv.DictReader(file))
    assert listed[2] == {
        "rank": "3",
        "label": "2",
        "name": "street",
        "videos": "3",
        "share": "0.130435",
        "side": "val",
    }
    for stem in ("once", "again"):
        svg, png = scene_figures.draw_counts(rows, "golf", tmp_path / stem)
        assert cv2.imread(str(png)).std() > 10
        text = svg.read_text()
    assert text == (tmp_path / "once.svg").read_text()
    for colour in ("#4c72b0", "#dd8452"):  # bars of either side, and the legend's
        assert text.count(f"fill: {colour}") >= 2
    bars = scene_figures.shares_of_classes(
        COUNTS, ["golf", "yoga"], NAMES, top=2, order="own"
    )
    _, png = scene_figures.draw_shares(bars, tmp_path / "fig6")
    assert cv2.imread(str(png)).std() > 10
