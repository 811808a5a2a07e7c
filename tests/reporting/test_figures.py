import matplotlib.image
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.evaluation import predictions
from smad_jax.reporting import figures

T, H, W = 3, 20, 28
CLASSES = ("walk", "$x_{", "a name longer than there is room", *"abc")


def examples(count, actionness=True):
    rng = np.random.default_rng(0)
    return predictions.Examples(
        video=rng.integers(0, 256, (count, T, H, W, 3), np.uint8),
        actionness=2 * rng.random((count, T, 5, 7)) if actionness else None,
        labels=np.zeros(count, int),
        predictions=np.arange(count),
        ids=np.array([f"clip/{n}" for n in range(count)]),
    )


@pytest.mark.parametrize(("present", "count", "drawn"), [(2, 8, 2), (6, 4, 4)])
def test_picture_has_a_column_a_clip(present, count, drawn, tmp_path):
    path = figures.actionness(
        examples(present), CLASSES, tmp_path / "new" / "picture.png", count=count
    )
    assert path == tmp_path / "new" / "picture.png"
    height, width = matplotlib.image.imread(path).shape[:2]
    assert (height, width) == (682, round(154 * drawn))  # 110 dots an inch


def test_run_without_saar_is_an_error_and_draws_nothing(tmp_path):
    with pytest.raises(errors.DataError, match=r"model\.saar=True"):
        figures.actionness(examples(2, actionness=False), CLASSES, tmp_path / "p.png")
    assert not list(tmp_path.iterdir())
