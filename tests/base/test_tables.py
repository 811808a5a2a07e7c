import gzip
import pickle

import numpy as np
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from smad_jax import errors
from smad_jax.base import file_io, tables


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_is_read_in_every_marked_encoding(tmp_path, encoding, packed):
    path = write(tmp_path / "a.csv", "id,ä\r\nx y,1\n\n", encoding)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert list(tables.lines(path)) == [(1, "id,ä"), (2, "x y,1")]


def test_line_that_is_not_utf8_is_named_with_the_command_that_converts_it(tmp_path):
    path = write(tmp_path / "a.csv", "id,label\nx,1\né,2\n", "latin-1")
    with pytest.raises(errors.DataError, match=r"line 3.*iconv -f WINDOWS-1252"):
        tables.content(path)


ROWS = [["id", "p_0", "p_1", "label"], ["007", 0.25, 0.75, 1], ["08", 1.0, 0.0, None]]


def parquet(path, rows=ROWS):
    columns = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def workbook(path, *sheets):
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets or (ROWS,)):
        sheet = book.create_sheet(f"s{number}") if number else book.active
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("write_table", [parquet, workbook])
def test_spreadsheet_is_read_as_its_csv_would_be(tmp_path, write_table):
    path = write_table(tmp_path / "a.table")  # the content decides, not the name
    assert tables.header(path) == ROWS[0]
    frame = tables.read(path, texts=("id", "label"))
    assert frame.names == tuple(ROWS[0])
    assert frame.texts("id").tolist() == ["007", "08"]
    assert frame.texts("label").tolist() == ["1", ""]
    assert frame.numbers(["p_0", "p_1"]).tolist() == [[0.25, 0.75], [1, 0]]


def test_pandas_row_numbers_and_categories_in_parquet_are_no_obstacle(tmp_path):
    columns = {"id": pyarrow.array(["a", "b"]).dictionary_encode(), "p": [0.5, 1.0]}
    columns["__index_level_0__"] = [3, 9]  # of rows that a filter kept
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    frame = tables.read(path)
    assert frame.names == ("id", "p")
    assert frame.texts("id").tolist() == ["a", "b"]
    parquet(path, [["id", "p"], ["a", [0.5, 0.5]]])
    with pytest.raises(errors.DataError, match="column 'p' holds list"):
        tables.read(path)


def test_lines_of_a_workbook_are_excels_and_one_sheet_has_to_be_chosen(tmp_path):
    rows = [[], ["id", "p"], ["a", 1], [], ["b", "high"]]
    path = workbook(tmp_path / "a.xlsx", rows, [], [[None, ""]])
    with pytest.raises(errors.DataError, match=r"line 5: .* 'high'"):
        tables.read(path).numbers(["p"])
    workbook(path, rows, [], [["x"]])
    with pytest.raises(errors.DataError, match="in the sheets 'Sheet', 's2'; keep one"):
        tables.header(path)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PAR1", "damaged Parquet"),
        (b"PK\x03\x04", "no Excel workbook"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x93NUMPY", "NumPy"),
        (b"\x1f\x8b broken", "gzip"),
    ],
)
def test_other_kind_of_file_is_named(tmp_path, start, kind):
    path = tmp_path / "a.csv"
    path.write_bytes(start + b"xyz")
    with pytest.raises(errors.DataError, match=kind):
        tables.content(path)


@pytest.mark.parametrize(
    "text",
    [
        "id,p_0,p_1\na,0.25,0.75\nb,1,0\n",
        'id\tp_0\tp_1\n"a"\t.25\t.75\nb\t1.0\t0\n',
        "sep=;\r\nid;p_0;p_1\r\na;0,25;0,75\r\nb;1;0\r\n",
        "\n,id,p_0,p_1\n0,a,0.25,0.75\n1,b,1e0,0",
        "id|p_0|p_1\na|25e-2|0.75\nb|1|0\n",
    ],
)
def test_table_is_the_same_in_every_dialect(tmp_path, text):
    frame = tables.read(write(tmp_path / "a.csv", text), texts=("id",))
    assert frame.names == ("id", "p_0", "p_1")
    assert frame.texts("id").tolist() == ["a", "b"]
    assert frame.numbers(["p_0", "p_1"]).tolist() == [[0.25, 0.75], [1, 0]]
    assert bool(frame.notes) == ("sep" in text or ",id" in text)


def test_ids_and_labels_that_look_like_numbers_stay_text(tmp_path):
    path = write(tmp_path / "a.csv", "ID,Label\n007,1.0\n1e5,2\n,3\ntrue,4\n")
    frame = tables.read(path, texts=("id", "label"))
    assert frame.texts("ID").tolist() == ["007", "1e5", "", "true"]
    assert frame.texts("Label").tolist() == ["1.0", "2", "3", "4"]


def test_column_of_numbers_from_0_with_a_name_is_kept(tmp_path):
    frame = tables.read(write(tmp_path / "a.csv", "x,id\n0,a\n1,b\n"))
    assert frame.names == ("x", "id")
    assert not frame.notes


def test_rows_without_any_number_are_zeros_but_half_a_row_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", "id,a,b\nx,,\ny,1,0\n")
    assert tables.read(path).numbers(["a", "b"]).tolist() == [[0, 0], [1, 0]]
    path = write(tmp_path / "b.csv", "id,a,b\nx,1,0\ny,,1\n")
    with pytest.raises(errors.DataError, match=r"line 3.*'a'"):
        tables.read(path).numbers(["a", "b"])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("id,a\nx,1\ny,high\n", "line 3.*'a'.*'high'"),
        ("id,a\nx,1\ny,1,2\n", "line 3: 3 cells.* 2"),
        ("id,a,a\nx,1,2\n", "two columns called 'a'"),
        ("", "empty"),
    ],
)
def test_malformed_table_names_its_line(tmp_path, text, named):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(errors.DataError, match=named):
        tables.read(path, texts=("id",)).numbers(["a"])


def test_separator_within_quotes_does_not_count():
    assert tables.separator('"a,b,c";d') == ";"
    assert tables.separator("one column") == ","


def test_numbers_agree_with_numpys_own_reader(tmp_path):
    values = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    body = "\n".join(
        ",".join([f"v{i}", *map(repr, row.tolist())]) for i, row in enumerate(values)
    )
    path = write(tmp_path / "a.csv", "id," + ",".join("abcdefg") + "\n" + body)
    found = tables.read(path, texts=("id",)).numbers(list("abcdefg"))
    wanted = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, 8))
    np.testing.assert_array_equal(found, wanted.astype(np.float32))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_that_end_in_carriage_returns_are_lines(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("id,x\ra,1\rb,2\r".encode(encoding))
    assert [text for _, text in tables.lines(path)] == ["id,x", "a,1", "b,2"]
    assert tables.read(path).numbers(["x"])[:, 0].tolist() == [1, 2]


def test_header_of_a_damaged_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"\x1f\x8b" + b"no gzip" * 3)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(["id", "label"]))
    for file in (path, tmp_path / "none.csv", tmp_path / "a.pkl"):
        with pytest.raises(errors.DataError, match=file.name):
            tables.header(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("start", ["", "\r\n\n", "sep=;\r\n", "sep=;\n\n"])
def test_header_is_that_of_the_whole_table(tmp_path, encoding, start):
    text = start + '"a,b";c\r\n1;2\r\n' * 2
    for path, packed in (("a.csv", bytes), ("a.csv.gz", gzip.compress)):
        (tmp_path / path).write_bytes(packed(text.encode(encoding)))
        assert tables.header(tmp_path / path) == ["a,b", "c"]
        assert tables.read(tmp_path / path).names == ("a,b", "c")


@pytest.mark.parametrize(
    "text",
    [
        "id,x,y,\na,0.5,1,\nb,2,3,\n",  # a separator too many
        ',"id","x","y"\n"1","a",0.5,1\n"2","b",2,3\n',  # R numbers rows from 1
        '"id";"x";"y"\n"a";"0,5";"1"\n"b";"2";"3"\n',
    ],
)
def test_other_programs_write_the_same_table(tmp_path, text):
    frame = tables.read(write(tmp_path / "a.csv", text), texts=("id",))
    assert frame.names == ("id", "x", "y")
    assert frame.numbers(["x", "y"]).tolist() == [[0.5, 1], [2, 3]]


def test_number_with_underscores_is_refused(tmp_path):
    frame = tables.read(write(tmp_path / "a.csv", "id,x\na,1_000\n"))
    with pytest.raises(errors.DataError, match=r"line 2: .* '1_000'"):
        frame.numbers(["x"])


def test_blank_lines_between_rows_count_in_messages(tmp_path):
    path = write(tmp_path / "a.csv", "\nid,x\na,1\n\nb,one\n")
    with pytest.raises(errors.DataError, match=r"line 5: .* 'one'"):
        tables.read(path).numbers(["x"])


@pytest.mark.parametrize(
    "content",
    [
        b"id,a\rx,1\ny,2\n",  # Mac's and Unix's ends of lines
        gzip.compress(b"id,a\nx,1\n" * 999, mtime=0)[:20] + bytes(20),
        gzip.compress(b"id,a\nx,1\n" * 999, mtime=0)[:40],
        None,  # a folder
    ],
)
def test_damaged_table_is_a_data_error(tmp_path, content):
    path = tmp_path
    if content is not None:
        path = tmp_path / "a.csv"
        path.write_bytes(content)
    with pytest.raises(errors.DataError, match=path.name):
        tables.header(path)
        tables.read(path)


def test_large_whole_numbers_are_rounded(tmp_path):
    path = write(
        tmp_path / "a.csv", "id,a\nx,9007199254740993\ny,-1152921504606846977\n"
    )
    numbers = tables.read(path).numbers(["a"], np.float64)[:, 0].tolist()
    assert numbers == [2.0**53, -(2.0**60)]


def test_ids_come_back_as_they_were_before_they_were_made_no_formulas(tmp_path):
    ids = ["=a.mp4", "@b", "+c", "-d(e).mp4", "-plain.mp4", "'quoted'", "'f"]
    lines = "".join(f'"{file_io.cell(id)}",1\n' for id in ids)
    frame = tables.read(write(tmp_path / "a.csv", f"id,label\n{lines}"), texts=("id",))
    assert frame.texts("id").tolist() == ids
