import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.datasets.readers.tables import read_table
from trackbench.errors import InputError


def write(tmp_path, text, name="worm.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_reads_the_usual_separators(tmp_path, separator):
    path = write(tmp_path, "a,b\n1,x y\n2.5,\n".replace(",", separator))
    table = read_table(path)
    assert table.columns == ("a", "b")
    assert table.text("b") == ("x y", "")
    assert table.numbers(["a"]).tolist() == [[1.0], [2.5]]


def test_a_byte_order_mark_quotes_and_blank_lines_do_no_harm(tmp_path):
    table = read_table(write(tmp_path, b'\xef\xbb\xbfa,b\r\n\r\n"1,5",2\r\n'))
    assert table.columns == ("a", "b")
    assert table.text("a") == ("1,5",)
    assert table.lines == (3,)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the file is empty"),
        ("\n\n", "the table is empty"),
        ("a,b\n", "no rows below the header"),
        ("a,b\n1,2\n3\n", "line 3 has 1 values for 2 columns"),
        ("a,b,a\n1,2,3\n", "two columns are named 'a'"),
        (b"a,b\n\xff\xfe,1\n", "not UTF-8"),
    ],
)
def test_a_bad_table_is_one_line_with_the_file(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=complaint) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize("value", ["nan", "inf", "", "north", "-Infinity"])
def test_a_value_that_is_no_finite_number_names_line_and_column(tmp_path, value):
    table = read_table(write(tmp_path, f"y,z\n1,2\n3,{value}\n"))
    with pytest.raises(InputError, match="line 3, column z"):
        table.numbers(["y", "z"])


def test_a_missing_column_is_told_with_the_header(tmp_path):
    table = read_table(write(tmp_path, "a,b\n1,2\n"))
    with pytest.raises(InputError, match=r"no column c.*it reads 'a, b'"):
        table.require(["a", "c"])


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="not a file"):
        read_table(tmp_path)


def test_too_many_rows_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("trackbench.datasets.readers.tables.MAX_POINTS", 3)
    assert len(read_table(write(tmp_path, "a\n" + "1\n" * 3)).rows) == 3
    with pytest.raises(InputError, match="more than 3 rows"):
        read_table(write(tmp_path, "a\n" + "1\n" * 4))


@given(raw=st.binary(max_size=300))
def test_any_bytes_give_a_table_or_our_error(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "worm.csv"
    path.write_bytes(raw)
    with contextlib.suppress(InputError):
        table = read_table(path)
        assert all(len(row) == len(table.columns) for row in table.rows)
