import pytest

from smad_jax import errors
from smad_jax.data import label_names


def put(folder, text):
    path = folder / "names.txt"
    path.write_text(text, "utf-8")
    return path


def test_lists_as_they_are_published_are_read(tmp_path):
    assert label_names.read(put(tmp_path, "sea\n\n ice \n")) == ("sea", "ice")
    assert label_names.read(put(tmp_path, "/a/sea 0\n/i/ice/out 1\n")) == (
        "sea",
        "ice/out",
    )
    assert label_names.read(put(tmp_path, "sea 0\nice 1\n")) == ("sea", "ice")
    # numbers that are not the lines' own belong to the names
    assert label_names.read(put(tmp_path, "route 66\nice 1\n")) == ("route 66", "ice 1")
    assert label_names.read(put(tmp_path, "/a/sea\nice\n")) == ("/a/sea", "ice")
    # nor is anything dropped that distinguishes two names
    assert label_names.read(put(tmp_path, "part 0\npart 1\n")) == ("part 0", "part 1")
    assert label_names.read(put(tmp_path, "/a/bar\n/b/bar\n")) == ("/a/bar", "/b/bar")


@pytest.mark.parametrize(
    "text",
    [
        "id,name\n0,walk\n1,run, fast\n2,sit\n",
        "1 walk\n2 run, fast\n3 sit\n",
        'name;id\nsit;2\nwalk;0\n"run, fast";1\n',
        "2\tsit\n0\twalk\n1\trun, fast\n",
        "class_name\nwalk\nrun, fast\nsit\n",
        "1. walk\n2. run, fast\n3. sit\n",
        "walk\nrun, fast\nsit\n",
        'id,name,group\n0,walk,a\n1,"run, fast",a\n2,sit,b\n',
        '"","x"\n"1","walk"\n"2","run, fast"\n"3","sit"\n',
        "index\tratio\tName\n1\t0.5\twalk\n3\t0.2\tsit\n2\t0.3\trun, fast\n",
        '["walk", "run, fast",\n "sit"]\n',
        '{"walk": 0,\n "sit": "2",\n "run, fast": 1}\n',
        '{"1": "walk", "2": "run, fast", "3": "sit"}\n',
    ],
)
def test_header_and_numbers_order_the_names(tmp_path, text):
    assert label_names.read(put(tmp_path, text)) == ("walk", "run, fast", "sit")


@pytest.mark.parametrize(
    "text", ["0,n01440764,tench\n1,n01443537,goldfish\n", "id,key,kind\n0,a,b\n1,c,d\n"]
)
def test_columns_that_may_all_be_names_are_refused(tmp_path, text):
    with pytest.raises(errors.DataError, match="3 cells"):
        label_names.read(put(tmp_path, text))


def test_names_that_are_numbers_or_look_like_a_table_are_kept(tmp_path):
    assert label_names.read(put(tmp_path, "7\n11\n13\n")) == ("7", "11", "13")
    assert label_names.read(put(tmp_path, "lap, 1\nlap, 2\n")) == ("lap, 1", "lap, 2")
    assert label_names.read(put(tmp_path, "[a]\n[b]\n")) == ("[a]", "[b]")


@pytest.mark.parametrize(
    "names",
    [
        ("no", "yes"),
        ("100 m run", "200 m run"),
        ("2 people dance", "1 person walks"),
        ("push 10", "push 2"),
    ],
)
def test_first_name_and_numbers_in_names_are_kept(tmp_path, names):
    path = put(tmp_path, "".join(f"{name}\n" for name in names))
    assert label_names.read(path) == label_names.read(path, 2) == names


@pytest.mark.parametrize("first", ["name", "label", "Scene", "class", "action"])
def test_first_line_that_may_be_a_header_or_a_name_is_refused(tmp_path, first):
    path = tmp_path / "names.txt"
    path.write_text(f"{first}\nlawn\nroad\n")
    with pytest.raises(errors.DataError, match=f"begins with '{first}', a header or"):
        label_names.read(path)
    assert label_names.read(path, 3) == (first, "lawn", "road")
    assert label_names.read(path, 2) == ("lawn", "road")
    path.write_text(f"{first}\n0 lawn\n1 road\n")
    assert label_names.read(path) == ("lawn", "road")


def test_header_is_left_out_where_it_is_one_line_too_many(tmp_path):
    path = put(tmp_path, "label\nsit\nrun\n")
    assert label_names.read(path, 2) == ("sit", "run")
    assert label_names.read(path, 3) == ("label", "sit", "run")


def test_numbers_with_a_gap_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match=r"0 to 1, or of 1 to 2.* 3, 7"):
        label_names.read(put(tmp_path, "3,walk\n7,run\n"))


def test_names_are_kept_beside_the_labels_and_forgotten(tmp_path):
    assert label_names.stored(tmp_path, "scene", 2) == ()
    label_names.store(tmp_path, "scene", ("sea", "ice cap"))
    assert label_names.stored(tmp_path, "scene", 2) == ("sea", "ice cap")
    with pytest.raises(errors.DataError, match="names 2 labels, but there are 3"):
        label_names.stored(tmp_path, "scene", 3)
    label_names.store(tmp_path, "scene", ("sea 0", "ice 1"))
    assert label_names.stored(tmp_path, "scene", 2) == ("sea 0", "ice 1"), "as given"
    label_names.store(tmp_path, "scene", ())
    label_names.store(tmp_path, "scene", ())
    assert label_names.stored(tmp_path, "scene", 2) == ()


def test_mistakes_are_named(tmp_path):
    with pytest.raises(errors.DataError, match="no file of names at"):
        label_names.read(tmp_path / "none.txt")
    with pytest.raises(errors.DataError, match="no file of names at"):
        label_names.read(tmp_path)
    with pytest.raises(errors.DataError, match="has no names"):
        label_names.read(put(tmp_path, "\n"))
    with pytest.raises(errors.DataError, match="'sea' twice"):
        label_names.read(put(tmp_path, "sea\nice\nsea\n"))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(errors.DataError, match="line 1 is not UTF-8"):
        label_names.read(tmp_path / "latin.txt")


def test_places365_names_keep_their_slashes(real_data):
    names = label_names.read(real_data / "places365" / "categories_places365.txt", 365)
    assert names[0] == "airfield"
    assert "apartment_building/outdoor" in names
