"""Small inputs under the names and in the forms of the paper's downloads.

Clips are cut from real videos. A class is shown before its own background and, every
third time, before the next one's, so that scenes can be told and are not the classes.
"""

import io
import json
import pathlib
import shutil

import av
import cv2
import numpy as np

from data_prep.embedded import render

SCENES = ("airfield", "beach/outdoor", "gym", "pool")  # as many as are made here
CLASSES = ("abseiling", "air drumming", "answering questions", "applauding")
SOURCES = ("demo.mp4", "bikes.mp4", "carphone_pristine.mp4", "nasa_13013.mp4")
NUM_TRAIN, NUM_VAL = 9, 2  # videos of a class in Kinetics
NUM_WEB = 8  # of a class in either web source
MISSING, BROKEN = "zzzzzzzzzz0", "abcdefghij1"
_LENGTH = 12  # frames


class Clips:
    """Short clips of real videos, no two alike, as files of video or image."""

    def __init__(self, folder: pathlib.Path):
        self._frames = [_frames(folder / name) for name in SOURCES]
        self._made = 0

    def video(self, label: int, number: int) -> bytes:
        """A clip of a class, the `number`-th of its kind."""
        frames = self._frames[(label + (number % 3 == 0)) % len(SOURCES)]
        self._made += 1
        start = 5 * self._made % (len(frames) - _LENGTH)
        clip = frames[start : start + _LENGTH]
        return render.encode(np.roll(clip, self._made, axis=2))

    def image(self, label: int, number: int) -> bytes:
        """A JPEG of a class."""
        with av.open(io.BytesIO(self.video(label, number))) as container:
            frame = next(container.decode(video=0)).to_ndarray(format="bgr24")
        return cv2.imencode(".jpg", frame)[1].tobytes()


def make(folder: pathlib.Path, real_data: pathlib.Path) -> None:
    """Writes everything that the guide starts from into `folder`."""
    clips = Clips(real_data / "videos")
    _kinetics(folder, clips)
    _hvu(folder)
    _aras(folder, clips, real_data)
    _omnisource(folder, clips)
    _transfer(folder, clips)


def kinetics_id(split: str, label: int, number: int) -> str:
    """A YouTube id; the first begins with a dash."""
    first = "-" if (split, label, number) == ("train", 0, 0) else split[0]
    return f"{first}bcdefgh{label}{number:02}"


def _kinetics(folder: pathlib.Path, clips: Clips) -> None:
    rows = {"train": [], "val": []}
    for split, count in (("train", NUM_TRAIN), ("val", NUM_VAL)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                id = kinetics_id(split, label, number)
                place = f"{split}_256/{name}/{id}_000010_000020.mp4"
                _write(folder / "kinetics400" / place, clips.video(label, number))
                rows[split].append(f"{name},{id},10,20,{split}")
        lists = [row.split(",")[1] for row in rows[split]]
        _lines(folder / f"{split}_ytid_list.txt", lists)
    broken = f"train_256/{CLASSES[1]}/{BROKEN}_000010_000020.mp4"
    _write(folder / "kinetics400" / broken, clips.video(1, 1)[:400])
    rows["train"] += [f"{CLASSES[1]},{BROKEN},10,20,train"]
    rows["train"] += [f"{CLASSES[2]},{MISSING},10,20,train"]
    for split, lines in rows.items():
        head = "label,youtube_id,time_start,time_end,split"
        _lines(folder / f"{split}.csv", [head, *lines])


def _hvu(folder: pathlib.Path) -> None:
    categories = ("party,event", "game,event", "red,attribute", "sky,concept")
    _lines(folder / "HVU_Tags_Categories_V1.0.csv", ["Tag,Category", *categories])
    for split, name, tags in (("train", "Train", "party|red"), ("val", "Val", "sky")):
        ids = [kinetics_id(split, label, 1) for label in range(len(CLASSES))]
        lines = [f"{tags},{id},10,20" for id in ids]
        head = "Tags,youtube_id,time_start,time_end"
        _lines(folder / f"HVU_{name}_V1.0.csv", [head, *lines])


def _aras(folder: pathlib.Path, clips: Clips, real_data: pathlib.Path) -> None:
    shutil.copy(real_data / "aras" / "k400_actions.txt", folder)
    places = [f"/{name[0]}/{name} {n}" for n, name in enumerate(SCENES)]
    _lines(folder / "categories_places365.txt", places)
    lines = []
    for label, name in enumerate(CLASSES):
        place = f"aras_clips/{name.replace(' ', '_')}/-rare{label}_0.mp4"
        _write(folder / place, clips.video(label + 2, 1))
        lines += [f"{place} {label}"] * (1 + (label == 0))  # one of them twice
    _lines(folder / "aras_test_balance.txt", lines)


def _omnisource(folder: pathlib.Path, clips: Clips) -> None:
    _lines(folder / "k200_actions.txt", CLASSES)
    for source, make_file, ending in (
        ("googleimage_200", clips.image, "jpg"),
        ("insvideo_200", clips.video, "mp4"),
    ):
        lines = []
        for label in range(len(CLASSES)):
            for number in range(NUM_WEB):
                place = f"{label:03}/some query/{number:06}.{ending}"
                path = folder / "omnisource" / source / place
                _write(path, make_file(label, number))
                lines.append(f"{place} {label}")
        _lines(folder / f"{source}.txt", lines)


def _transfer(folder: pathlib.Path, clips: Clips) -> None:
    """UCF101, HMDB51, Diving48 and FineGYM-99, two classes of two videos each."""
    names = ("Biking", "Diving")
    ucf = [f"{n}/v_{n}_g0{k}_c01.avi" for n in names for k in (1, 2)]
    lists = folder / "ucfTrainTestlist"
    _lines(lists / "classInd.txt", [f"{i} {name}" for i, name in enumerate(names, 1)])
    for split in (1, 2, 3):
        train, test = (ucf[0::2], ucf[1::2]) if split == 1 else (ucf[1::2], ucf[0::2])
        numbered = [f"{id} {1 + id.startswith(names[1])}" for id in train]
        _lines(lists / f"trainlist0{split}.txt", numbered)
        _lines(lists / f"testlist0{split}.txt", test)
        for name in ("brush_hair", "run"):
            file = folder / f"testTrainMulti_7030_splits/{name}_test_split{split}.txt"
            _lines(file, [f"{name}_0.avi 1", f"{name}_1.avi 2"])
    diving = [("AB_01", 0), ("AB_02", 1), ("AB_03", 0), ("AB_04", 1)]
    for name, part in (("train", diving[:2]), ("test", diving[2:])):
        items = [
            {"vid_name": id, "label": label, "start_frame": 0, "end_frame": 12}
            for id, label in part
        ]
        for edition in ("V2_", ""):
            path = folder / f"Diving48_{edition}{name}.json"
            path.write_text(json.dumps(items), "utf-8")
    _lines(folder / "label_map.txt", ["forward dive", "back dive"])
    gym = [f"0LtLS9wROr{k}_E_002407_002435_A_0003_0005" for k in range(4)]
    _lines(folder / "gym99_train_element_v1.0.txt", [f"{gym[0]} 0", f"{gym[1]} 1"])
    _lines(folder / "gym99_val_element.txt", [f"{gym[2]} 0", f"{gym[3]} 1"])
    hmdb = [f"{name}/{name}_{k}.avi" for name in ("brush_hair", "run") for k in (0, 1)]
    places = [
        *(f"ucf101/{id}" for id in ucf),
        *(f"hmdb51/{id}" for id in hmdb),
        *(f"diving48/rgb/{id}.mp4" for id, _ in diving),
        *(f"gym/subactions/{id}.mp4" for id in gym),
    ]
    for number, place in enumerate(places):
        _write(folder / place, clips.video(number % 4, 1))


def _frames(path: pathlib.Path) -> np.ndarray:
    """The first frames of a video, [T, 48, 64, 3] uint8."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            found.append(cv2.resize(frame.to_ndarray(format="rgb24"), (64, 48)))
            if len(found) == 60:
                break
    return np.stack(found)


def _write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _lines(path: pathlib.Path, lines: list[str] | tuple[str, ...]) -> None:
    _write(path, "".join(f"{line}\n" for line in lines).encode())
