"""Comma-separated values: delimiters, headers, quotes, blank lines, and the lines of errors."""

import csv
import gzip
import re

import pytest
from support import ROWS, collect, load, read, write_csv

from textclf.errors import DataError, LimitError, RequestError


def write(path, content):
    path.write_bytes(content.encode())
    return path


def refuse(path, message, **options):
    with pytest.raises(DataError, match=message) as info:
        read(path, **options)
    assert "\n" not in str(info.value)


DELIMITERS = [(",", "','"), (";", "';'"), ("|", "'|'"), ("\t", "tab")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".tab", ".txt"])
@pytest.mark.parametrize(("delimiter", "name"), DELIMITERS)
def test_delimiter_is_detected_whatever_the_suffix_is(tmp_path, suffix, delimiter, name):
    text = "a, b; c | d\te".replace(delimiter, "")  # All others occur in each text.
    lines = [f"{text} {i}~{'xy'[i % 2]}~{i}\n" for i in range(9)]
    content = "".join(["text~label~id\n", *lines]).replace("~", delimiter)
    rows, [note] = read(write(tmp_path / f"a{suffix}", content))
    assert rows == [(f"{text} {i}", "xy"[i % 2], f"line {i + 2}") for i in range(9)]
    assert note == (
        f"text from 'text', label from 'label'; not read: 'id'; delimiter {name}; encoding utf-8"
    )


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;\r"])
def test_delimiter_may_be_declared_in_the_first_line(tmp_path, line):
    # By their number, the columns could also be separated by commas.
    content = f"{line}\ntext,label;label,text\none,a;b,two\n"
    options = {"text_column": "label,text", "label_column": "text,label"}
    rows, [note] = read(write(tmp_path / "a.csv", content), **options)
    assert rows == [("b,two", "one,a", "line 3")]
    assert "; delimiter ';'; " in note


@pytest.mark.parametrize(("first", "second"), [(",", "|"), (",", "\t"), (";", "|")])
def test_two_delimiters_that_fit_are_refused(tmp_path, first, second):
    lines = [f"sea{first} wind {i}{second}{'ab'[i % 2]}\n" for i in range(9)]
    path = write(tmp_path / "a.csv", "".join(lines))
    names = [name for delimiter, name in DELIMITERS if delimiter in {first, second}]
    shown = re.escape(" or by ".join(sorted(names, key=["','", "';'", "tab", "'|'"].index)))
    example = re.escape(max(first, second))
    refuse(
        path,
        rf"a\.csv: its columns may be separated by {shown}; declare one of them in a new first"
        rf" line, such as sep={example}$",
        column_names="text,label",
    )
    rows, _ = read(write(path, f"sep={second}\n{path.read_text()}"), column_names="text,label")
    assert rows[0] == (f"sea{first} wind 0", "a", "line 2")


BOTH = [("one", "a"), ("two, 3", "b")]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('text,label\none,a\n"two, 3",b\n', BOTH),
        ('"text","label"\n"one","a"\n"two, 3","b"\n', BOTH),
        # Blanks after the delimiter.
        ('"text", "label"\n"one", "a"\n"two, 3", "b"\n', BOTH),
        ('text, label\n one, a\n"two, 3",   b\n', BOTH),
        # Names of columns.
        ('\ufeffText ,LABEL\none,a\n"two, 3",b\n', BOTH),
        ('\u200breview,my  class\none,a\n"two, 3",b\n', BOTH),
        # Line ends, also within quotes.
        ('text,label\r\none,a\r\n"two, 3",b\r\n', BOTH),
        ('text,label\rone,a\r"two, 3",b', BOTH),
        ('text,label\n"one\r\ntwo\nthree\rfour",a\n', [("one\r\ntwo\nthree\rfour", "a")]),
        # Blank lines, and what spreadsheets write for them.
        ('\n \ntext,label\none,a\n\n"two, 3",b\n\n\n   \n\t\n', BOTH),
        ('text,label,,\none,a,,\n"two, 3",b,,\n,,,\n,,,\n', BOTH),
        (',,\n , ,\ntext,label,\none,a,\n"two, 3",b,\n', BOTH),
        # Short and long rows.
        ('text,label,note\none,a\n"two, 3",b,n\n', BOTH),
        ('text,label\none,a,\n"two, 3",b,,,\n', BOTH),
        # Quotes.
        ('text,label\n5" pipe,a\nsay "hi",a\n', [('5" pipe', "a"), ('say "hi"', "a")]),
        ('text,label\n"say ""hi""",a\n"""",a\n"",a\n', [('say "hi"', "a"), ('"', "a"), ("", "a")]),
        ("text,label\n'tis,a\n'one',a\n", [("'tis", "a"), ("'one'", "a")]),
        # Columns in another order, and an index without a name.
        ('label,text\na,one\nb,"two, 3"\n', BOTH),
        (',text,label\n0,one,a\n1,"two, 3",b\n', BOTH),
        ('Unnamed: 0,text,label\n0,one,a\n1,"two, 3",b\n', BOTH),
    ],
)
def test_usual_variants_are_read(tmp_path, content, rows):
    path = write(tmp_path / "a.csv", content)
    assert [(text, label) for text, label, _ in read(path)[0]] == rows


def test_lines_are_numbered_after_blank_lines_and_line_breaks_in_texts(tmp_path):
    path = write(tmp_path / "a.csv", '\nsep=,\ntext,label\n\n"one\n\ntwo",a\n\nthree,b\n')
    assert read(path)[0] == [("one\n\ntwo", "a", "line 5"), ("three", "b", "line 9")]


def test_columns_are_named_in_a_file_without_a_header(tmp_path):
    path = write(tmp_path / "a.csv", "sea,one,1\nbake,two,2\nsea,three\n")
    rows, [note] = read(path, column_names="label,text,id")
    assert rows == [
        *[("one", "sea", "line 1"), ("two", "bake", "line 2"), ("three", "sea", "line 3")]
    ]
    assert note.startswith("text from 'text', label from 'label'; not read: 'id'; ")
    rows, [note] = read(path, column_names=["y", "x", "z"], text_column="x", label_column="y")
    assert rows[0] == ("one", "sea", "line 1")
    assert note.startswith("text from 'x', label from 'y'; not read: 'z'; ")


@pytest.mark.parametrize(("n_columns", "names"), [(2, "label,text,id"), (3, "label,text")])
def test_more_or_fewer_names_than_columns_are_refused(tmp_path, n_columns, names):
    path = write(tmp_path / "a.csv", f"sea,one{',1' * (n_columns - 2)}\n" * 3)
    n_names = len(names.split(","))
    message = (
        rf"a\.csv has {n_columns} columns in its first line, but --column-names has {n_names}$"
    )
    refuse(path, message, column_names=names)


@pytest.mark.parametrize(
    "content", ["text,label\none,a\n", "\ufeffLabel , Review\na,one\n", '"TITLE","Stars"\none,1\n']
)
def test_names_for_a_file_with_a_usual_header_are_refused(tmp_path, content):
    path = write(tmp_path / "a.csv", content)
    message = r"a\.csv: its first line contains names of columns; leave out --column-names$"
    with pytest.raises(RequestError, match=message):
        read(path, column_names="text,label")


WORDS = "river boat sail wind harbour mast anchor tide deck rope crew storm"
DATA = [(f"{i} {WORDS}"[: 60 + i], ("sea", "bake")[i % 2]) for i in range(12)]


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([f"{text},{label}" for text, label in DATA], "text,label"),
        ([f"{label};{text}" for text, label in DATA], "label,text"),
        # As AG News: label, title, text.
        ([f"{i % 4},{text[:9]},{text}" for i, (text, _) in enumerate(DATA)], "label,column2,text"),
        ([f"{i},{text},{label}" for i, (text, label) in enumerate(DATA)], "column1,text,label"),
        ([f"4,{text[:9]}" for text, _ in DATA], "label,text"),
        # Only by its values, its length and its number.
        ([f"word {i},{label}" for i, (_, label) in enumerate(DATA)], "text,label"),
        ([f"{text},word {i}" for i, (text, _) in enumerate(DATA)], "text,label"),
        ([f"word {i},{i}.5" for i in range(12)], "text,label"),
        ([f"{text[:9]},{i}.5" for i, (text, _) in enumerate(DATA)], "text,label"),
    ],
)
def test_first_line_that_looks_like_data_is_refused(tmp_path, lines, names):
    path = write(tmp_path / "a.csv", "\n".join(lines))
    refuse(
        path,
        rf"a\.csv: the first line looks like data; .* such as --column-names {names}; if not,"
        " remove what is above the header, or give --text-column and --label-column",
    )
    assert len(read(path, column_names=names)[0]) == 12


@pytest.mark.parametrize(
    "content",
    [
        # A text may be the name of its column.
        "text,label\ntext,a\nmore,b\n",
        # Numbers of columns, as pandas writes them.
        "0,1,label,text\nx,y,a,one\n",
        # A question of a survey.
        "What do you like best about the sea?,label\nboats,a\nsand,b\n",
    ],
)
def test_unusual_header_is_read(tmp_path, content):
    assert len(read(write(tmp_path / "a.csv", content))[0]) == content.count("\n") - 1


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("0,1,2", "'0', '1', '2'"),
        ("1,2,3", "'1', '2', '3'"),
        (",0,1", "'0', '1'"),
        (
            "id,What do you like best about the sea?,date",
            r"'What do you like best about the sea\?', 'date'",
        ),
    ],
)
def test_header_without_usual_names_is_not_data(tmp_path, header, shown):
    refuse(
        write(tmp_path / "a.csv", f"{header}\nx,y,a\nx,z,b\n"),
        rf"a\.csv: no column has a usual name for the text; give --text-column, one of {shown}$",
    )


def test_columns_that_are_given_are_the_header(tmp_path):
    path = write(tmp_path / "a.csv", "\n".join(f"{text},{label}" for text, label in DATA))
    options = {"text_column": DATA[0][0], "label_column": "sea"}
    assert len(read(path, **options)[0]) == 11


def swallow(opens, closes, delimiter="\t", labels="ab"):
    """Return lines of which one begins with a quote and another text ends with one."""
    lines = [f"text {i}{delimiter}{labels[i % len(labels)]}" for i in range(100)]
    lines[opens] = f'"{lines[opens]}'
    lines[closes] = lines[closes].replace(delimiter, f'"{delimiter}')
    return "\n".join([f"text{delimiter}label", *lines]) + "\n"


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
@pytest.mark.parametrize(("opens", "closes"), [(0, 1), (20, 60), (97, 99)])
def test_quote_around_rows_is_refused_with_both_lines(tmp_path, delimiter, opens, closes):
    path = write(tmp_path / "a.csv", swallow(opens, closes, delimiter=delimiter))
    refuse(
        path,
        rf"a\.csv line {opens + 2}: a quote opens here and closes in line {closes + 2}, around"
        r" what look like rows; remove it, or, .* add --set dataset\.quoting=none",
    )
    rows = read(path, quoting="none")[0]
    assert len(rows) == 100
    assert rows[opens] == (f'"text {opens}', "ab"[opens % 2], f"line {opens + 2}")


def test_quote_around_rows_is_refused_if_labels_are_spelled_differently(tmp_path):
    for labels in (["a\u200b", "b ", "\u200ba", "\u00a0b"], ["1", "0", "1.0", "0.00"]):
        lines = swallow(2, 3, labels=labels).splitlines()[:5]
        refuse(write(tmp_path / "a.csv", "\n".join(lines)), r"a\.csv line 4: a quote opens here")


PAIR = ("one,a\ntwo,b", "a")


@pytest.mark.parametrize(("n_rows", "n_pairs"), [(20, 1), (20, 10), (100, 6)])
def test_few_texts_of_several_rows_are_refused(tmp_path, n_rows, n_pairs):
    rows = [*[(f"text {i}", "ab"[i % 2]) for i in range(n_rows - n_pairs)], *[PAIR] * n_pairs]
    start = n_rows - n_pairs + 2
    refuse(
        write_csv(tmp_path / "a.csv", rows),
        rf"a\.csv line {start}: a quote opens here and closes in line {start + 1}, around",
    )


@pytest.mark.parametrize(("n_rows", "n_pairs"), [(20, 11), (50, 50)])
def test_many_texts_of_several_rows_are_a_style(tmp_path, n_rows, n_pairs):
    rows = [*[(f"text {i}", "ab"[i % 2]) for i in range(n_rows - n_pairs)], *[PAIR] * n_pairs]
    found = read(write_csv(tmp_path / "a.csv", rows))[0]
    assert [(text, label) for text, label, _ in found] == rows


@pytest.mark.parametrize("answer", ["no", "yes"])
def test_lines_of_a_text_are_not_rows_because_one_ends_with_a_label(tmp_path, answer):
    rows = [("Do you like it?\nWell, yes\nok", answer), *[(f"text {i}", "yes") for i in range(9)]]
    found = read(write_csv(tmp_path / "a.csv", rows))[0]
    assert [(text, label) for text, label, _ in found] == rows


def test_lines_of_a_text_are_not_rows_because_labels_are_missing(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\n"Dear Ann,\ndear Bob,\nbye",a\nx,b\ny,\n')
    assert read(path)[0][0] == ("Dear Ann,\ndear Bob,\nbye", "a", "line 2")


@pytest.mark.parametrize(
    ("content", "position"),
    [
        ('text,label\n"a" b,c\n', "line 2"),
        ('text,label\nx,y\n"a,c\nb,d\n', "lines 3 to 4"),
        ('text,label\n"one,a\ntwo" three,b\n', "lines 2 to 3"),
        ('text,label\nx,y\n"say \\"hi\\"",b\n', "line 3"),
        ('text,label\none,"a" \n', "line 2"),
    ],
)
def test_quote_that_does_not_end_its_cell_is_refused(tmp_path, content, position):
    refuse(
        write(tmp_path / "a.csv", content),
        rf"a\.csv {position}: a quote is not closed at the end of its cell; double the quotes with"
        r".* or, if quotes are part of the texts, add --set dataset\.quoting=none",
    )


def test_quotes_may_be_ordinary_characters(tmp_path):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"one\ta\n"two"\tb\n"" x\tb\n')
    rows = [(text, label) for text, label, _ in read(path, quoting="none")[0]]
    assert rows == [('"one', "a"), ('"two"', "b"), ('"" x', "b")]


@pytest.mark.parametrize("n_pairs", [1, 10, 30])
def test_quotations_of_several_rows_are_refused(tmp_path, n_pairs):
    lines = [f'"I went {i}\ta\nto the shop."\ta\n' for i in range(n_pairs)]
    lines += [f"text {i}\t{'ab'[i % 2]}\n" for i in range(100 - 2 * n_pairs)]
    path = write(tmp_path / "a.tsv", "".join(["text\tlabel\n", *lines]))
    refuse(path, r"a\.tsv line 2: a quote opens here and closes in line 3, around what look like")
    assert len(read(path, quoting="none")[0]) == 100


def test_many_texts_of_several_lines_may_look_like_rows(tmp_path):
    rows = [(f"the wind, {label}\nthe rain, {label}", label) for label in "ab" * 20]
    path = write_csv(tmp_path / "a.csv", rows)
    assert [(text, label) for text, label, _ in read(path)[0]] == rows


def test_text_of_several_lines_that_contain_the_delimiter_is_read(tmp_path):
    text = "Dear all,\nthe boat, the sail,\nand the wind, too,\nyours, Ann"
    rows = [*ROWS, (text, "good")]
    assert collect(load(write_csv(tmp_path / "a.csv", rows))) == sorted(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty; expected the names of the columns in the first line"),
        ("\n \n", "it is empty; expected the names of the columns in the first line"),
        ("sep=;\n", "it is empty; expected the names of the columns in the first line"),
        ("text,label\na,b\nc,d,,e\n", "line 3: expected 2 columns, got 4; remove delimiters from"),
        ("text,label\na,b,c\n", "line 2: expected 2 columns, got 3; remove delimiters from the"),
        (
            "text,label\na,b\n\ntext,label\n",
            "line 4: it repeats the names of the columns; remove it",
        ),
        ("label,text\na,b\nonly\n", "line 3: it has no 'text'"),
        ("one,two,three\n", "no column has a usual name for the text; give --text-column, one of"),
    ],
)
def test_invalid_file_is_refused(tmp_path, content, message):
    refuse(write(tmp_path / "a.csv", content), rf"a\.csv:? {message}")


@pytest.mark.parametrize(
    "content",
    ["text,label\na,b\nonly\n", "text,label\na,b\nonly,\n", "text,label,x\na,b\nonly,,1\n"],
)
def test_short_row_without_a_label_has_none(tmp_path, content):
    rows = read(write(tmp_path / "a.csv", content))[0]
    assert [(text, label or None) for text, label, _ in rows] == [("a", "b"), ("only", None)]


def test_nul_characters(tmp_path):
    rows = [("before\0after", "good"), *ROWS]
    assert collect(load(write_csv(tmp_path / "a.csv", rows))) == sorted(rows)


def test_emoji_and_right_to_left(tmp_path):
    rows = [*ROWS, ("😀😀 👩‍👩‍👧", "good"), ("שלום עולם", "bad"), ("مرحبا", "good"), ("", "bad")]
    assert collect(load(write_csv(tmp_path / "a.csv", rows))) == sorted(rows)


@pytest.mark.parametrize("path", ["a.csv", "a.tsv"])
def test_other_code_may_limit_the_cells_that_its_files_have(tmp_path, path):
    usual = csv.field_size_limit(10)
    try:
        assert collect(load(write_csv(tmp_path / path))) == sorted(ROWS)
    finally:
        csv.field_size_limit(usual)


def test_text_of_10_megabytes_is_read_if_the_limit_is_raised(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("word " * 2_000_000, "good")])
    with pytest.raises(LimitError, match=r"a\.csv line 22: .*limit of 1 MB.*TEXTCLF_MAX_TEXT_MB"):
        load(path)
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "11")
    assert max(len(text) for text, _ in collect(load(path))) == 10_000_000


def test_compressed_line_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.5")
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        file.write(b"text,label\n")
        for _ in range(30):
            file.write(b"a" * 1_000_000)
    with pytest.raises(LimitError, match=r"a\.csv\.gz line 2 is larger than the limit of 0\.5 MB"):
        load(tmp_path / "a.csv.gz")


def test_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.001")
    path = write(tmp_path / "a.csv", 'text,label\nx,y\n"one,a\n' + "two,b\n" * 10_000)
    with pytest.raises(
        DataError, match=r"a\.csv line 3: a quote opens here and is not closed within 0\.05 MB; "
    ):
        read(path)
