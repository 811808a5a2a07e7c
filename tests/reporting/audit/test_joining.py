import pathlib
import unicodedata

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.reporting.audit import inputs, joining


def table(answers, names=(), shares=None):
    ids = np.array(list(answers))
    values = None if shares is not None else np.array(list(answers.values()))
    return inputs.Table(pathlib.Path("t.csv"), ids, values, shares, tuple(names), 0)


LABELS = {"a": "walk", "b": "wave", "c": "walk"}
SCENES = {"c": "sea", "b": "ice", "a": "ice", "z": "gym"}


def join(predictions=LABELS, labels=LABELS, scenes=SCENES, **options):
    aspects = {"scene": table(scenes)}
    return joining.join({"m": table(predictions)}, table(labels), aspects, **options)


def test_rows_are_joined_by_id_and_names_are_numbered_together():
    found = join({"c": "wave", "a": "bow", "b": "wave"})
    assert found.classes == ("bow", "walk", "wave")
    assert found.ids.tolist() == ["c", "a", "b"]
    assert found.labels.tolist() == [1, 1, 2]
    assert found.models["m"].tolist() == [2, 0, 2]
    assert found.aspects[0].names == ("gym", "ice", "sea")
    assert found.aspects[0].values.tolist() == [2, 1, 1]


def test_accents_of_ids_may_be_composed_otherwise_in_each_file():
    def spelt(values, form):
        return {unicodedata.normalize(form, f"é{id}"): v for id, v in values.items()}

    apart, composed = spelt(LABELS, "NFD"), spelt(LABELS, "NFC")
    found = join(apart, composed, spelt(SCENES, "NFC"))
    assert found.ids.tolist() == list(apart), "as the files of videos may be named"
    assert (found.models["m"] == found.labels).all()
    tables = {"m": table(apart), "n": table(composed)}
    found = joining.join(
        tables, table(composed), {"scene": table(spelt(SCENES, "NFD"))}
    )
    assert found.models["n"].tolist() == found.labels.tolist()


def test_numbers_and_given_names_meet():
    numbers = {"a": "1", "b": "0", "c": "1"}
    found = join(numbers, LABELS, classes=("wave", "walk", "bow"))
    assert (found.models["m"] == found.labels).all()
    found = join(numbers, numbers)
    assert found.classes == ("class 0", "class 1")


def test_columns_of_a_second_model_may_stand_in_another_order():
    shares = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    first = table(LABELS, ("wave", "walk"), shares)
    second = table(LABELS, ("walk", "wave"), shares[:, ::-1])
    found = joining.join(
        {"m": first, "n": second}, table(LABELS), {"scene": table(SCENES)}
    )
    assert found.models["m"].tolist() == found.models["n"].tolist() == [1, 0, 1]


def test_empty_answers_and_labels_of_an_aspect_are_none():
    found = join({"a": "", "b": "wave", "c": " "}, scenes={**SCENES, "a": ""})
    assert found.models["m"].tolist() == [-1, 1, -1]
    assert found.aspects[0].values.tolist() == [-1, 1, 2]
    assert found.notes[0].startswith("m has no prediction for 2 videos (empty, or")
    assert "no scene label: 1 video." in found.notes[1]
    with pytest.raises(errors.DataError, match="no prediction for any video"):
        join({"a": "", "b": "", "c": ""}, classes=("walk", "wave"))
    with pytest.raises(errors.DataError, match="1 of 3 rows have no class"):
        join(labels={**LABELS, "b": ""})


def test_predictions_of_which_none_is_a_label_are_refused():
    with pytest.raises(errors.DataError, match=r"no prediction is a label.*capitals"):
        join({id: name.title() for id, name in LABELS.items()})


def test_answers_that_are_no_label_and_training_videos_are_noted():
    found = join({"a": "walking", "b": "wave", "c": "walking"})
    [note] = found.notes
    assert note.startswith("m predicts a class that no video is labelled with")
    assert "2 videos (“\u2068walking\u2069”)" in note
    found = join(train=table({"c": "walk", "a": "walk", "x": "walk"}))
    [note] = found.notes
    assert "2 of the 3 training videos" in note
    assert not join(train=table({"c": "walk", "a": "walk"})).notes
    more = join({"a": "2", "b": "0", "c": "1"}, {"a": "1", "b": "0", "c": "1"})
    assert not more.notes, "a model may know more classes than the test set"


def test_what_is_left_out_is_noted():
    found = join({"a": "walk", "b": "wave"}, scenes={"a": "sea", "b": "ice"})
    [note] = found.notes
    assert "a label but no prediction: 1 video." in note
    found = join(scenes={"a": "sea", "b": "ice"})
    assert found.aspects[0].values.tolist() == [1, 0, -1]
    assert "no scene label: 1 video." in found.notes[0]


def test_training_videos_are_counted_by_class_and_scene():
    found = join(train=table({"z": "wave", "a": "walk", "c": "walk"}))
    np.testing.assert_array_equal(found.aspects[0].train, [[0, 1, 1], [1, 0, 0]])


def test_training_that_has_not_seen_the_scenes_does_not_order_them():
    found = join(train=table({"z": "walk", "b": "walk"}))
    assert not found.aspects[0].ordered
    assert found.notes[0].startswith("More than a third of the videos show a scene")


def test_aspect_that_is_the_class_is_noted():
    found = join(scenes=LABELS)
    assert "Is it the file of actions?" in found.notes[0]


@pytest.mark.parametrize("value", ["-1", "nan", "NaN", ""])
def test_label_that_means_none_is_no_scene(value):
    found = join(scenes={"a": "ice", "b": "sea", "c": value, "z": "gym"})
    assert found.aspects[0].names == ("gym", "ice", "sea")
    assert found.aspects[0].values.tolist() == [1, 2, -1]


def test_whole_floats_are_numbers():
    numbers = {"a": "1.0", "b": "0.0", "c": "1."}
    found = join(numbers, {"a": "1", "b": "0", "c": "1"})
    assert (found.models["m"] == found.labels).all()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"train": table({"a": "golf", "b": "golf"})}, "has the class of a test video"),
        ({"scenes": {"a": "", "b": "nan", "c": "-1"}}, "no scene label for any video"),
        ({"predictions": {"a": "walk", "q": "wave"}}, "1 of 2 ids .* instance 'q'"),
        ({"labels": dict.fromkeys("abc", "walk")}, "all 3 videos are of one class"),
        ({"scenes": dict.fromkeys("abc", "sea")}, "the same scene label, 'sea'"),
        ({"scenes": {"q": "sea"}}, "no predicted video has a scene label"),
        ({"classes": ("walk", "waves")}, "unknown class 'wave'; did you mean 'waves'"),
        ({"train": table({"q": "walk"})}, "no training video"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(arguments, named):
    with pytest.raises(errors.DataError, match=named):
        join(**arguments)


def test_numbers_that_count_no_labels_are_refused():
    with pytest.raises(errors.DataError, match=r"class \d{24} must be from 0 to 1"):
        join({**LABELS, "a": f"1{'0' * 24}.0"}, classes=("walk", "wave"))
    with pytest.raises(errors.DataError, match="scene numbers go up to 2000000"):
        join(scenes={"a": "3", "b": "2000000", "c": "3"})


def test_class_number_out_of_range_is_refused():
    numbers = {"a": "1", "b": "0", "c": "5"}
    with pytest.raises(errors.DataError, match="class 5 must be from 0 to 2"):
        join(numbers, LABELS, classes=("wave", "walk", "bow"))


def test_unnamed_columns_beside_named_labels_ask_for_names():
    first = table(LABELS, (), np.full((3, 2), 0.5))
    with pytest.raises(errors.DataError, match="give `classes` in order"):
        joining.join({"m": first}, table(LABELS), {"scene": table(SCENES)})


def test_second_model_on_other_videos_is_refused():
    other = table({**LABELS, "d": "walk"})
    with pytest.raises(errors.DataError, match=r"1 ids in .* instance 'd'"):
        joining.join(
            {"m": table(LABELS), "n": other}, table(LABELS), {"scene": table(SCENES)}
        )


def numbered(values):
    return {f"v{row}": str(value) for row, value in enumerate(values)}


SCENE_OF = {f"v{row}": name for row, name in enumerate(["sea", "ice"] * 6)}


@pytest.mark.parametrize("swapped", [False, True])
def test_labels_from_1_beside_answers_from_0_are_refused(swapped):
    from_0, from_1 = numbered([*range(6), *range(6)]), numbered([*range(1, 7)] * 2)
    pair = (from_1, from_0) if swapped else (from_0, from_1)
    with pytest.raises(errors.DataError, match=r"0\.0%.*100\.0%.*shift"):
        join(*pair, scenes=SCENE_OF)


def test_classes_that_the_model_never_answers_are_no_shift():
    truth = numbered([1, 2, 3, 4, 5, 6] * 2)
    answers = numbered([1, 2, 3, 4, 5, 0] * 2)
    found = join(answers, truth, scenes=SCENE_OF)
    assert (found.models["m"] == found.labels).mean() == pytest.approx(5 / 6)


def test_names_and_chance_are_no_shift():
    truth = {f"v{row}": "bc"[row % 2] for row in range(12)}
    answers = {f"v{row}": "ab"[row % 2] for row in range(12)}
    assert not (found := join(answers, truth, scenes=SCENE_OF)).models["m"].all()
    assert found.classes == ("a", "b", "c")
    truth = numbered([1, 2, 3, 4, 5, 6] * 2)
    answers = numbered([0, 1, 5, 5, 0, 1, 1, 2, 0, 0, 0, 0])  # two agree, three shifted
    assert join(answers, truth, scenes=SCENE_OF).classes[-1] == "class 6"


@pytest.mark.parametrize("start", [0, 1])
def test_labels_with_the_prefix_of_the_columns_are_matched_by_number(tmp_path, start):
    names = [f"act_{start + number}" for number in range(12)]
    ids = [f"v{row}" for row in range(12)]
    path = tmp_path / "table.csv"
    columns = sorted(names)  # as text, 10 before 2
    rows = [
        [id, *(str(int(c == name)) for c in columns)]
        for id, name in zip(ids, names, strict=True)
    ]
    path.write_text("\n".join(",".join(row) for row in [["id", *columns], *rows]))
    model = inputs.read(path, "prediction")
    labels = table(dict(zip(ids, names, strict=True)))
    found = joining.join({"m": model}, labels, {"scene": table(SCENE_OF)}, train=labels)
    assert (found.models["m"] == found.labels).all()


def test_columns_numbered_from_1_are_matched_with_labels_by_number():
    ids = [f"v{row}" for row in range(12)]
    shares = np.eye(6)[[*range(6)] * 2]
    model = table(dict.fromkeys(ids, ""), tuple("123456"), shares)
    scenes = {"scene": table(SCENE_OF)}
    found = joining.join({"m": model}, table(numbered([*range(1, 7)] * 2)), scenes)
    assert (found.models["m"] == found.labels).all()
    with pytest.raises(errors.DataError, match=r"class 0 has no column.* 1 to 6"):
        joining.join({"m": model}, table(numbered([*range(6)] * 2)), scenes)


def shares(names, rows, folder):
    """A table of probabilities with one column for each name, from a file."""
    path = folder / "p.csv"
    lines = [f"{id},{','.join(map(str, row))}" for id, row in rows.items()]
    path.write_text("\n".join([f"id,{','.join(names)}", *lines]))
    return inputs.read(path, "prediction")


@pytest.mark.parametrize("header", ["p_1,p_2,p_3", "1,2,3", "p_0,p_1,p_2"])
@pytest.mark.parametrize("labels", ["names", "column numbers"])
def test_given_names_are_those_of_the_columns_in_order(tmp_path, header, labels):
    names, columns = ("run", "jump", "sit"), header.split(",")
    answers = names
    if labels == "column numbers":
        answers = [column.removeprefix("p_") for column in columns]
    ids = [f"v{row}" for row in range(12)]
    model = shares(
        columns, dict(zip(ids, np.eye(3)[[0, 1, 2] * 4], strict=True)), tmp_path
    )
    truth = table(dict(zip(ids, answers * 4, strict=True)))
    scenes = {"scene": table(SCENE_OF)}
    found = joining.join({"m": model}, truth, scenes, classes=names)
    assert found.classes == names
    assert (found.models["m"] == found.labels).all()
    wrong = table(dict(zip(ids, ["0", "1", "4"] * 4, strict=True)))
    with pytest.raises(errors.DataError, match="class 4"):
        joining.join({"m": model}, wrong, scenes, classes=names)


def test_given_names_of_an_aspect_are_those_of_its_columns_in_order(tmp_path):
    rows = {"a": [1, 0, 0], "b": [0, 1, 0], "c": [0, 0, 1]}
    scenes = shares(["s_1", "s_2", "s_3"], rows, tmp_path)
    found = joining.join(
        {"m": table(LABELS)},
        table(LABELS),
        {"scene": scenes},
        aspect_names={"scene": ("sea", "ice", "gym")},
    )
    assert found.aspects[0].values.tolist() == [0, 1, 2]


def test_class_names_that_end_in_digits_stay_names(tmp_path):
    rows = {"a": [0.9, 0.1], "b": [0.2, 0.8], "c": [0.7, 0.3]}
    model = shares(["golf2", "golf1"], rows, tmp_path)
    truth = table({"a": "golf2", "b": "golf1", "c": "golf2"})
    scenes = {"scene": table(SCENES)}
    for given in ((), ("golf2", "golf1")):
        found = joining.join({"m": model}, truth, scenes, classes=given)
        assert set(found.classes) == {"golf1", "golf2"}
        assert (found.models["m"] == found.labels).all()


def test_unreadable_video_that_the_data_set_leaves_out_is_skipped_with_a_note():
    found = join({**LABELS, "cut.mp4": ""}, LABELS)
    assert found.ids.tolist() == ["a", "b", "c"]
    assert "without a prediction and without a label: 1 video." in found.notes[0]
    with pytest.raises(errors.DataError, match=r"'cut\.mp4'; add them there"):
        join({**LABELS, "cut.mp4": "walk"}, LABELS)
