import ml_collections
import numpy as np
import pytest

from smad_jax import aspect_table, errors
from smad_jax.data import catalog, web

V = 7
SCENE = aspect_table.Aspect("scene", "soft", 3, "test")
OBJECT = aspect_table.Aspect("object", "soft", 5, "test")


def section(**changes):
    return {"split": "web/all", "batch_size": 4, **changes}


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


def test_stream_has_plain_defaults():
    stream = web.read_streams({"clips": section()})["clips"]
    assert (stream.batches, stream.class_power, stream.num_frames) == (1, 1.0, 0)
    assert stream.aspect_labels == "given"


@pytest.mark.parametrize("kind", [dict, ml_collections.ConfigDict])
def test_streams_take_their_turns_by_the_alphabet(kind):
    streams = kind({name: section() for name in ("b", "a", "c")})
    assert tuple(web.read_streams(streams)) == ("a", "b", "c")


def test_number_of_frames_replaces_the_targets():
    target = {"kind": "segments", "num_frames": 3, "test_views": 25}
    image = web.WebStream.from_config("images", section(num_frames=1))
    assert image.sampling(target) == {**target, "num_frames": 1}
    assert web.WebStream.from_config("clips", section()).sampling(target) == target


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"batchsize": 4},
            r"'batchsize' in .*clips; did you mean 'batch_size'",
        ),
        ({"split": "all"}, r"data\.web\.clips\.split must be DATASET/SPLIT"),
        ({"split": None}, r"data\.web\.clips\.split must be DATASET/SPLIT"),
        ({"batch_size": 0}, r"data\.web\.clips\.batch_size must be .* at least 1"),
        ({"batches": 0}, r"data\.web\.clips\.batches must be .* at least 1"),
        ({"num_frames": -1}, r"data\.web\.clips\.num_frames must be .* at least 0"),
        ({"class_power": 1.5}, r"clips\.class_power must be a number from 0 to 1"),
        ({"class_power": "0.5"}, r"clips\.class_power must be a number from 0 to 1"),
        ({"aspect_labels": "some"}, "'some'; known: given, none"),
    ],
)
def test_wrong_entry_is_named(changes, named):
    with pytest.raises(errors.ConfigError, match=named):
        web.read_streams({"clips": section(**changes)})


@pytest.mark.parametrize("name", ["train", "loss", "accuracy", "time", "a/b"])
def test_name_that_means_something_else_is_refused(name):
    with pytest.raises(errors.ConfigError, match="choose another name"):
        web.read_streams({name: section()})


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
