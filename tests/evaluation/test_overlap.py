import numpy as np
import pytest

from smad_jax import errors
from smad_jax.evaluation import overlap


def test_overlap_is_the_shared_part_of_both_distributions():
    train = np.array([[1, 1, 0, 0], [0, 0, 6, 0], [3, 0, 0, 0]])
    test = np.array([[5, 5, 5, 5], [2, 0, 0, 0], [0, 0, 0, 0]])
    assert overlap.overlap(train[:1], test[:1]) == 0.5
    assert overlap.overlap(train, test) == 0.25  # disjoint in one, absent in another
    assert overlap.overlap(train, 7 * train) == 1
    with pytest.raises(errors.DataError, match="no class in common"):
        overlap.overlap(train[2:], test[2:])


def test_mixture_has_its_share_in_every_class_and_no_video_twice():
    labels = np.repeat([0, 1, 3], [30, 21, 40])
    head = np.arange(91) % 3 > 0
    assert overlap.num_per_class(labels, head, most=50) == 7
    assert overlap.num_per_class(labels, head, most=4) == 4
    for share, usual in ((0.0, 0), (0.25, 2), (0.5, 4), (1.0, 7)):
        rng = np.random.default_rng(0)
        rows = overlap.mixture(labels, head, share, per_class=7, rng=rng)
        assert len(set(rows.tolist())) == len(rows) == 21
        for y in (0, 1, 3):
            inside = rows[labels[rows] == y]
            assert (len(inside), head[inside].sum()) == (7, usual)


@pytest.mark.parametrize(("kind", "side"), [(1, "rare"), (0, "usual")])
def test_class_with_one_kind_of_videos_is_refused(kind, side):
    labels = np.repeat([0, 2], 4)
    head = np.array([1, 0, 1, 0, kind, kind, kind, kind], bool)
    with pytest.raises(
        errors.DataError, match=f"class 2 has no test video with {side}"
    ):
        overlap.num_per_class(labels, head, most=5)
