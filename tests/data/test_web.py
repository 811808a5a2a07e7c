import dataclasses

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.data import catalog, label_names, web
from smad_jax.data.sampling import Sampling

V = 7
SCENE = aspect_table.Aspect("scene", "soft", 3, "test")
OBJECT = aspect_table.Aspect("object", "soft", 5, "test")


def a_split(**labels):
    return catalog.Split(
        dataset="web",
        name="all",
        ids=tuple(f"v{row}" for row in range(V)),
        labels=np.zeros(V, np.int32),
        classes=("walk",),
        aspects={name: aspect for name, (aspect, _) in labels.items()},
        aspect_labels={
            name: np.full((V, aspect.num_labels), 0.5, np.float16)
            for name, (aspect, _) in labels.items()
        },
        aspect_mask={name: mask for name, (_, mask) in labels.items()},
        reader=None,
        positions=np.arange(V),
    )


def test_number_of_frames_replaces_that_of_the_training_set():
    train = Sampling("segments", 3, test_views=25)
    images = web.WebStream("web/all", 4, num_frames=1)
    assert images.sampling(train) == Sampling("segments", 1, test_views=25)
    assert web.WebStream("web/all", 4).sampling(train) == train


def test_aspect_without_labels_is_masked_for_every_video():
    mask = np.arange(V) > 2
    split = a_split(scene=(SCENE, mask))
    found = web.match_aspects(split, {"scene": SCENE, "object": OBJECT}, "k/train")
    assert list(found.aspects) == ["scene", "object"]
    np.testing.assert_array_equal(found.aspect_mask["scene"], mask)
    assert not found.aspect_mask["object"].any()
    assert found.aspect_labels["object"][[6, 1]].shape == (2, 5)
    assert not found.aspect_labels["object"].any()
    assert found.aspect_labels["scene"].all()


def test_labels_of_another_network_are_refused():
    other = aspect_table.Aspect("scene", "soft", 4, "test")
    split = a_split(scene=(other, np.ones(V, bool)))
    with pytest.raises(errors.DataError, match=r"web has 4 .*k/train has 3, soft"):
        web.match_aspects(split, {"scene": SCENE}, "k/train")
    tags = aspect_table.Aspect("scene", "tags", 3, "test")
    split = a_split(scene=(tags, np.ones(V, bool)))
    with pytest.raises(errors.DataError, match="3 labels of 'scene', tags, but"):
        web.match_aspects(split, {"scene": SCENE}, "k/train")


def test_numbers_of_other_words_are_not_the_same_labels():
    marks = map(label_names.mark, [("rain", "sun"), ("fog", "sun")])
    rain, fog = (
        aspect_table.Aspect("w", "soft", 2, f"a.csv, {mark}") for mark in marks
    )
    split = a_split(w=(rain, np.ones(V, bool)))
    with pytest.raises(errors.DataError, match=r"'w' stand for other words .*--names"):
        web.match_aspects(split, {"w": fog}, "k/train")
    other_file = dataclasses.replace(rain, source=rain.source.replace("a.csv", "b.csv"))
    web.match_aspects(split, {"w": other_file}, "k/train")


@pytest.mark.parametrize(
    ("own", "home", "dataset", "refused"),
    [
        ("clusters of appearance 12ab", "clusters of appearance 12ab", "web", False),
        ("clusters of appearance 12ab", "clusters of appearance 34cd", "web", True),
        ("clusters of appearance", "clusters of appearance", "web", True),
        ("clusters of appearance", "clusters of appearance", "mine", False),
        ("resnet50", "clusters of appearance 34cd", "web", True),
        ("resnet50", "densenet161", "web", False),
    ],
)
def test_numbers_of_other_clusters_are_not_the_same_scenes(own, home, dataset, refused):
    ours, theirs = (aspect_table.Aspect("scene", "soft", 3, s) for s in (own, home))
    split = dataclasses.replace(
        a_split(scene=(ours, np.ones(V, bool))), dataset=dataset
    )
    if not refused:
        web.match_aspects(split, {"scene": theirs}, "mine/train")
        return
    with pytest.raises(errors.DataError, match=r"'scene'.*--like mine"):
        web.match_aspects(split, {"scene": theirs}, "mine/train")
