import base64
import html
import pathlib
import re

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import aspect_records, label_names
from smad_jax.experiment import run_labels
from smad_jax.reporting import __main__ as command
from smad_jax.reporting.audit import audits, naming, thumbnails


@pytest.fixture
def files(tmp_path):
    """Predictions of 60 videos of the tiny set, with their labels."""
    ids = [f"v{n}" for n in range(60)]
    labels = np.arange(60) % 3
    scenes = np.arange(60) % 4
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        np.savez(
            tmp_path / name / "p.npz",
            ids=ids,
            labels=labels,
            probabilities=np.eye(3)[(labels + (name == "two") * (scenes == 1)) % 3],
        )
    np.savez(tmp_path / "scene.npz", ids=ids, values=np.eye(4)[scenes])
    return tmp_path


def run(*arguments):
    return command.main(["audit", *map(str, arguments)])


def test_saved_predictions_need_no_file_of_labels(files, capsys):
    out = files / "new" / "a.html"
    aspect = f"scene={files / 'scene.npz'}"
    assert (
        run(
            "--predictions",
            files / "two/p.npz",
            "--aspect",
            aspect,
            "--other",
            files / "one/p.npz",
            "--bootstrap",
            5,
            "--out",
            out,
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert printed.endswith(f"\n\naudit: {out}\n")
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    text = out.read_text("utf-8")
    # the terminal and the page give the same answer and numbers
    answer = " ".join(printed.partition("\n\n")[0].split())
    shown = naming.plain_text(html.unescape(text).replace("\xa0", " "))
    assert answer in shown and "too few videos to say whether “two”" in answer
    row = next(line for line in printed.splitlines() if line.startswith("scene"))
    assert all(cell in shown for cell in re.findall(r"[\d.]+ % of \d+", row))
    assert "Bias audit of <bdi>two</bdi>" in text
    assert "compared with <bdi>one</bdi>" in text
    assert [p.name for p in out.parent.iterdir()] == ["a.html"]


@pytest.mark.parametrize(
    ("arguments", "code", "printed"),
    [
        (["--labels", "none.csv"], 3, "no file at none.csv"),
        (["--names", "object=x.txt"], 2, "names are given for 'object'"),
        (["--model-names", "a", "b"], 2, "need 1 different names"),
        (["--videos", "none"], 3, "no folder of videos at none"),
        (["--aspect", "object=."], 3, "no labels of 'object'; it has those of nothing"),
        (["--out", "one/p.npz/a.html"], 3, "a folder is needed there"),
        (["--out", "one"], 2, "one is a folder; name a file in it"),
    ],
)
def test_mistakes_end_with_one_line_and_their_code(
    files, capsys, monkeypatch, arguments, code, printed
):
    monkeypatch.chdir(files)
    place = ["--predictions", "one/p.npz", "--aspect", "scene=scene.npz"]
    assert run(*place, "--out", "a.html", *arguments) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and printed in last
    assert not (files / "a.html").exists()


def test_predictions_without_labels_ask_for_them(files, capsys):
    (files / "p.csv").write_text("id,prediction\nv0,1\n")
    aspect = f"scene={files / 'scene.npz'}"
    assert run("--predictions", files / "p.csv", "--aspect", aspect) == 2
    assert "--labels FILE" in capsys.readouterr().err


def test_missing_predictions_are_said_to_be_missing(files, capsys):
    aspect = f"scene={files / 'scene.npz'}"
    assert run("--predictions", files / "none.npz", "--aspect", aspect) == 3
    assert "no file at" in capsys.readouterr().err


def test_names_come_from_the_run_and_from_the_data_set(files):
    folder, out = files / "run", files / "a.html"
    (folder / "predictions").mkdir(parents=True)
    predictions = folder / "predictions" / "iid.npz"
    predictions.write_bytes((files / "two/p.npz").read_bytes())
    run_labels.write(folder, run_labels.Labels(("walk", "wave", "bow"), {}))
    with np.load(files / "scene.npz") as scene:
        ids, values = scene["ids"].tolist(), scene["values"]
    aspect_records.write(files / "set", "scene", ids, values)
    label_names.store(files / "set", "scene", ("sea", "ice", "gym", "street"))
    given = ["--predictions", predictions, "--bootstrap", 2, "--out", out]
    given += ["--aspect", f"scene={files / 'set'}"]
    assert run(*given) == 0
    text = out.read_text("utf-8")
    assert "Bias audit of <bdi>the model</bdi>" in text
    assert "<bdi>walk</bdi>" in text and "<bdi>ice</bdi>" in text
    assert "class 0" not in text and "scene 1" not in text
    # names of nobody's labels are not looked for in a folder that is no run's
    (files / "mine").mkdir()
    (files / "mine" / "p.npz").write_bytes(predictions.read_bytes())
    (files / "labels.json").write_text("damaged")
    assert run(*given, "--predictions", files / "mine" / "p.npz") == 0
    assert "class 0" in out.read_text("utf-8")
    # the user's names count more than those of the files
    (files / "classes.txt").write_text("gehen\nwinken\nbeugen\n")
    (files / "scenes.txt").write_text("Meer\nEis\nHalle\nStrasse\n")
    given += ["--classes", files / "classes.txt"]
    assert run(*given, "--names", f"scene={files / 'scenes.txt'}") == 0
    text = out.read_text("utf-8")
    assert "<bdi>gehen</bdi>" in text and "<bdi>Eis</bdi>" in text
    assert "<bdi>walk</bdi>" not in text and "<bdi>ice</bdi>" not in text


def test_model_that_learned_nothing_gets_a_warning_before_its_bias(files):
    ids = [f"v{n}" for n in range(60)]
    rows = "".join(f"{id},1\n" for id in ids)
    (files / "constant.csv").write_text(f"id,prediction\n{rows}")
    given = ["--labels", files / "one/p.npz", "--out", files / "a.html"]
    given += ["--aspect", f"scene={files / 'scene.npz'}", "--bootstrap", 2]
    assert run("--predictions", files / "constant.csv", *given) == 0
    text = html.unescape((files / "a.html").read_text("utf-8"))
    assert "may be as accurate" in text
    assert "so its bias cannot be judged" in text
    assert "First find out why accuracy is so low" in text
    assert "No finding calls for a remedy" not in text
    assert "Train against" not in text and "strong</span>" not in text
    assert run("--predictions", files / "two/p.npz", *given) == 0
    assert "may be as accurate" not in (files / "a.html").read_text("utf-8")


def test_good_model_on_few_videos_of_a_common_class_is_not_called_useless(files):
    truth = np.arange(60) >= 54
    answers = truth & (np.arange(60) < 57)
    rows = zip(range(60), answers.astype(int), truth.astype(int), strict=True)
    text = "".join(f"v{n},{answer},{label}\n" for n, answer, label in rows)
    (files / "good.csv").write_text(f"id,prediction,label\n{text}")
    given = ["--aspect", f"scene={files / 'scene.npz'}", "--bootstrap", 2]
    given += ["--predictions", files / "good.csv", "--out", files / "a.html"]
    assert run(*given) == 0
    text = html.unescape((files / "a.html").read_text("utf-8"))
    assert "may be as accurate" in text
    assert "accuracy is so low" not in text and "cannot be judged" not in text


def test_without_draws_nothing_is_called_certain(files):
    given = ["--predictions", files / "two/p.npz", "--out", files / "a.html"]
    given += ["--aspect", f"scene={files / 'scene.npz'}", "--bootstrap"]
    assert run(*given, 50) == 0
    sure = (files / "a.html").read_text("utf-8")
    assert "the true actions do" in sure and "Among videos of the same" in sure
    assert run(*given, 0) == 0
    text = (files / "a.html").read_text("utf-8")
    assert "Without bootstrap draws these numbers have no intervals" in text
    assert "the true actions do" not in text and "Among videos of the" not in text
    assert "those of NMI are left out (no bootstrap draws)" in text


def test_notes_and_videos_that_are_not_found_are_noted_on_the_terminal(files, capsys):
    (files / "videos").mkdir()
    rows = "".join(f"v{n},{n % 4}\n" for n in range(50))
    (files / "some.csv").write_text(f"id,scene\n{rows}")
    given = ["--predictions", files / "two/p.npz", "--out", files / "a.html"]
    given += ["--aspect", f"scene={files / 'some.csv'}", "--bootstrap", 2]
    assert run(*given, "--videos", files / "videos") == 0
    printed = capsys.readouterr().err
    assert "no scene label: 10 videos" in printed
    assert f"is in {files / 'videos'}" in printed


def test_models_are_named_by_what_tells_their_paths_apart(tmp_path):
    def names(*files):
        return audits.names_of_files([tmp_path / file for file in files])

    assert names("base/seed1/p.npz", "smad/seed1/p.npz") == ["base", "smad"]
    assert names("p.csv", "deeper/down/q.csv") == ["p", "q"]
    assert names("p.csv", "down/p.csv") == [tmp_path.name, "down"]
    assert names("down/p.csv", "down/down/../../p.csv") == ["down", tmp_path.name]
    same = pathlib.Path(f"/{tmp_path.name}/p.csv")
    other = pathlib.Path(f"/{tmp_path.name}/{tmp_path.name}/p.csv")
    assert audits.names_of_files([same, other]) == [str(same), str(other)]
    assert names("p.csv", "p.npz") == ["p.csv", "p.npz"]
    with pytest.raises(errors.ConfigError, match="the same file"):
        names("p.csv", "down/../p.csv")


def test_pictures_come_from_a_data_set_and_from_a_folder_of_files(small_data, tmp_path):
    from smad_jax.data import catalog

    [name] = [p.name for p in small_data.glob("embedded-seed*")]
    split = catalog.open_split(small_data, name, "rare")
    id = split.ids[0]
    stored = thumbnails.thumbnails(small_data / name, [id, "missing"])
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / f"{id}.mp4").write_bytes(split.video(0).video)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert thumbnails.thumbnails(tmp_path, [id, "../x", "broken"]) == stored
    assert list(stored) == [id]
    assert stored[id].startswith("data:image/jpeg;base64,/9j/")


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_pictures_come_from_frames_that_are_stored_as_jpeg_files(tmp_path, file_format):
    from smad_jax.data import images, jpeg_frames, records

    greys = [np.full((8, 12, 3), 20 * number, np.uint8) for number in range(5)]
    files = [images.encode_jpeg(grey, 95) for grey in greys]
    with records.RecordWriter(tmp_path / "videos", 1, file_format) as writer:
        content = jpeg_frames.pack(files, 9, 2)
        writer.write(records.VideoRecord("a/b.mp4", content, 0, 9))
        writer.write(records.VideoRecord("cut", content[:-20], 0, 9))
    found = thumbnails.thumbnails(tmp_path, ["a/b.mp4", "cut"])
    assert list(found) == ["a/b.mp4"]
    middle = base64.b64decode(found["a/b.mp4"].partition(",")[2])
    assert np.abs(images.decode(middle).astype(int) - 40).max() <= 3


def test_numbers_and_names_are_not_taken_for_one_another(files, capsys):
    labels = files / "labels.csv"
    rows = "".join(f"v{n},{'abc'[n % 3]}\n" for n in range(60))
    labels.write_text(f"id,label\n{rows}")
    numbers = files / "numbers.csv"
    numbers.write_text(
        "id,prediction\n" + "".join(f"v{n},{n % 3}\n" for n in range(60))
    )
    given = ["--predictions", numbers, "--labels", labels, "--bootstrap", 2]
    given += ["--aspect", f"scene={files / 'scene.npz'}", "--out", files / "a.html"]
    assert run(*given) == 3
    printed = capsys.readouterr().err
    assert "numbers.csv has numbers, such as '0'" in printed
    assert "labels.csv names, such as 'a'" in printed and "`classes`" in printed
    (files / "classes.txt").write_text("a\nb\nc\n")
    assert run(*given, "--classes", files / "classes.txt") == 0


@pytest.mark.parametrize("out", ["one/p.npz", "scene.npz", "one"])
def test_page_replaces_nothing_that_it_is_made_from(files, capsys, out):
    before = (files / "scene.npz").read_bytes()
    given = ["--predictions", files / "one/p.npz", "--out", files / out]
    assert run(*given, "--aspect", f"scene={files / 'scene.npz'}") == 2
    printed = capsys.readouterr().err
    assert "is one of the files to be read" in printed or "is a folder" in printed
    assert (files / "scene.npz").read_bytes() == before
