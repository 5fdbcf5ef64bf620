"""Claims about tables in files: what is read is what the file holds."""

import gzip

import numpy as np
import pandas as pd
import pytest

from behavior_learning.cli.tables import Layout, read_table
from behavior_learning.errors import DataError


def read(folder, content, name="t.csv", text=(), **layout):
    """A table from the content of a file, and what was said about it."""
    path, said = folder / name, []
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return read_table(path, layout=Layout(say=said.append, **layout), text=text), said


PLAIN = pd.DataFrame({"a": [1, 3], "b": [2.5, 4.0], "c": ["u", "v"]})

SAME = {
    "plain": ("a,b,c\n1,2.5,u\n3,4,v\n", "t.csv", {}),
    "commas at the end of rows": ("a,b,c\n1,2.5,u,\n3,4,v,\n", "t.csv", {}),
    "commas at the end of all lines": ("a,b,c,\n1,2.5,u,\n3,4,v,\n", "t.csv", {}),
    "capitals": ("a,b,c\r\n1,2.5,u\r\n3,4,v\r\n", "T.CSV", {}),
    "tabs": ("a\tb\tc\n1\t2.5\tu\n3\t4\tv\n", "t.tsv", {}),
    "semicolons": ("a;b;c\n1;2.5;u\n3;4;v\n", "t.csv", {}),
    "decimal comma": ("a;b;c\n1;2,5;u\n3;4;v\n", "t.csv", {}),
    "stated": ("a!b!c\n1!2,5!u\n3!4!v\n", "t.csv", {"sep": "!", "decimal": ","}),
    "compressed": ("a,b,c\n1,2.5,u\n3,4,v\n", "t.csv.gz", {}),
    "byte-order mark": (b"\xef\xbb\xbfa,b,c\n1,2.5,u\n3,4,v\n", "t.csv", {}),
    "numbers of rows": (",a,b,c\n0,1,2.5,u\n1,3,4,v\n", "t.csv", {}),
    "Unnamed: 0": ("Unnamed: 0,a,b,c\n0,1,2.5,u\n1,3,4,v\n", "t.csv", {}),
}


@pytest.mark.parametrize("case", SAME)
def test_every_layout_holds_the_same_table(case, tmp_path):
    content, name, layout = SAME[case]
    pd.testing.assert_frame_equal(read(tmp_path, content, name, **layout)[0], PLAIN, check_dtype=False)


@pytest.mark.parametrize("case", ["semicolons", "decimal comma", "numbers of rows"])
def test_what_was_found_out_is_said(case, tmp_path):
    content, name, layout = SAME[case]
    assert any(word in " ".join(read(tmp_path, content, name, **layout)[1]) for word in ("separated", "left out"))


def test_codes_stay_text_and_numbers_become_numbers(tmp_path):
    table, _ = read(tmp_path, "code,zip,share\n007,1,0.5\n012,2,0.25\n")
    assert table["code"].tolist() == ["007", "012"]
    assert table["zip"].tolist() == [1, 2]
    assert table["share"].tolist() == [0.5, 0.25]


def test_columns_that_were_text_stay_text(tmp_path):
    assert read(tmp_path, "grade,b\n1.50,1\n2,2\n", text=("grade",))[0]["grade"].tolist() == ["1.50", "2"]


def test_only_empty_cells_and_stated_ones_are_missing(tmp_path):
    content = "a,b\nNA,1\n,NA\nnull,3\n"
    assert read(tmp_path, content)[0]["a"].tolist() == ["NA", None, "null"]
    table, _ = read(tmp_path, content, missing=("NA", "null"))
    assert table["a"].isna().all()
    np.testing.assert_array_equal(table["b"], [1, np.nan, 3])


def test_other_encodings_are_read_and_said(tmp_path):
    table, said = read(tmp_path, "ort,n\nKöln,1\n".encode("cp1252"))
    assert table["ort"].tolist() == ["Köln"]
    assert "not UTF-8" in said[0]
    assert read(tmp_path, "ort,n\nKöln,1\n".encode("utf-16"))[0]["ort"].tolist() == ["Köln"]
    assert read(tmp_path, "ort,n\nKöln,1\n".encode("cp437"), encoding="cp437")[0]["ort"].tolist() == ["Köln"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "rows have 3 cells and the header names 2"),
        ("a,b\n1,2\n3\n", "row 1 has fewer cells"),
        ("a,b\n1,2\n3,4,5\n", "could not be read"),
        ("a,a\n1,2\n", "Two columns are named 'a'"),
        ("\n1,2\n", "first line"),
        ("a,b\n1,2,,,\n", "the header has 2 cells and the line below it 5"),
    ],
)
def test_rows_that_do_not_fit_the_header_are_refused(content, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)
