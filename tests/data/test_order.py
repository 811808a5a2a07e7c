import json
import pathlib

import numpy as np
import pytest

from smad_jax.data import order

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "joint_order.json"
BALANCED = json.loads(GOLDEN.read_text("utf-8"))["balanced"]
LABELS = np.repeat([3, 0, 7], [90, 9, 1])


def rows(stream, start, stop):
    return [stream(position, 0) for position in range(start, stop)]


@pytest.mark.parametrize(
    "case", BALANCED, ids=lambda case: f"{len(case['labels'])}-{case['power']}"
)
def test_probabilities_of_balanced_classes_are_those_of_the_reference(case):
    labels = np.array(case["labels"])
    found = order.balanced_probabilities(labels, case["power"])
    assert case["drawn"] == len(labels), "the length is kept"
    assert found.sum() == pytest.approx(1)
    # the reference's are float32
    np.testing.assert_allclose(found, case["probabilities"], rtol=1e-6)


def test_square_root_of_the_share_by_hand():
    found = order.balanced_probabilities(LABELS, 0.5)
    share = np.sqrt([90, 9, 1])
    share /= share.sum()
    np.testing.assert_allclose(found[[0, 90, 99]], share / [90, 9, 1])


@pytest.mark.parametrize(("power", "share"), [(0.0, 1 / 3), (0.5, 0.0741)])
def test_draws_follow_the_probabilities_with_replacement(power, share):
    stream = order.EpochOrder(LABELS, 5, power)
    drawn = np.array(rows(stream, 0, 4000))
    # 99 is the only video of its class; three deviations of a binomial share
    deviation = np.sqrt(share * (1 - share) / 4000)
    assert abs((drawn == 99).mean() - share) < 3 * deviation
    counts = np.bincount(drawn[LABELS[drawn] == 3], minlength=90)[:90]
    assert counts.min() > 0, "every video of a class is drawn"


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_position_decides_the_row_whatever_came_before(power):
    whole = rows(order.EpochOrder(LABELS, 5, power), 0, 350)
    assert rows(order.EpochOrder(LABELS, 5, power), 230, 350) == whole[230:]
    backwards = order.EpochOrder(LABELS, 5, power)
    assert [backwards(position, 0) for position in range(349, -1, -1)] == whole[::-1]
    assert rows(order.EpochOrder(LABELS, 6, power), 0, 350) != whole
    assert whole[:100] != whole[100:200]


def test_streams_of_one_seed_are_shuffled_each_in_its_own_way():
    seeds = {order.stream_seed(3, name) for name in ("images", "videos", "clips")}
    assert len(seeds | {3}) == 4
    assert order.stream_seed(3, "images") in seeds, "the same in every process"
    assert order.stream_seed(4, "images") not in seeds
