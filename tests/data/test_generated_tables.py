"""Generated tables are read as they were written, or refused with the reason.

TEXTCLF_GENERATED_TABLES sets their number; the slow test generates three times as many.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import shutil
import unicodedata
import zipfile
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support import load

from textclf.errors import DataError

N_TABLES = int(os.environ.get("TEXTCLF_GENERATED_TABLES", "200"))
FEW = settings(
    max_examples=N_TABLES,
    deadline=None,
    derandomize=True,
    database=None,
    # The first example builds hypothesis's table of characters, which takes seconds.
    suppress_health_check=[HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=3 * N_TABLES)

REFUSALS = {
    "a label is missing": r"no label in \d+ of \d+ examples \(.*\); add the labels",
    "a quote is not closed": r" lines? \d+.*: a quote is not closed at the end of its cell",
    "a quote encloses rows": r" line \d+: a quote opens here and closes in line \d+",
    "a row is too long": r" line \d+: expected \d columns, got \d",
    "the names are repeated": r" \d+: it repeats the names of the columns",
    "names do not fit": r" has \d+ columns in its first line, but --column-names has \d",
    "names are given for a header": r": its first line contains names of columns",
    "one column": r": only one column, ",
    "no example has a label": r": none of its \d+ examples has a label",
    "labels are too many": r" labels: a label needs several examples",
    "two delimiters fit": r": its columns may be separated by .* or by ",
    "the first line looks like data": r": the first line looks like data",
    "only one label": r" has only one label, | has no rows",
    "several labels in one cell": r" several labels",
    "most texts are empty": r": \d+ of \d+ texts are empty",
}
"""Reasons for which a table may be refused."""

WESTERN = (
    *('"', '""', ",", ";", "\t", "|", "'", "\n", "\r", "\r\n", " ", "   ", "\xa0", "\\", "\\n"),
    *("\x0b", "\x0c", "{", "[", "#", "=", "sep=;", "é", "€", "“", "-", "1", "word", "a b c"),
    *("text", "label", ", ", '" ', ' "', ",sea\n", ";bake\n", "__label__sea"),
)
OTHERS = ("\u2028", "\x85", "\x1c", "e\u0301", "中文", "😀", "\u200b", "\u200d", "שלום", "a\0")
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\ufeff\0")

PARTS = {
    "cp1252": st.sampled_from(WESTERN),
    "unicode": st.sampled_from(WESTERN + OTHERS) | st.text(CHARACTERS, max_size=3),
}
TEXTS = {name: st.lists(part, max_size=8).map("".join) for name, part in PARTS.items()}
WORDS = ("sea", "bake", "Sea", "new york", "café", "große Städte", "N/A", "a-b", "0x")
NUMBERS = ("0", "1", "2", "-1", "10", "3.5", "007")
MISSING = ("", " ", "NaN", "nan", "null", "<NA>", "#N/A")
BLANKS = {"cp1252": (" ", "  ", "\t", "\xa0", ""), "unicode": ("\u200b", "\ufeff", "\u2060 ", "")}
TEXT_NAMES = ("text", "Text", " review ", "CONTENT")
LABEL_NAMES = ("label", "Label ", " CATEGORY", "class")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@dataclass(frozen=True)
class Written:
    """A table in a file, and what should be read.

    Attributes:
        name: Name of the file.
        content: Its bytes.
        options: Keys of the section ``dataset``.
        rows: Expected texts and labels, in order.
        missing: Where labels are missing, such as ``line 3``.
        is_valid: Whether it may be read; otherwise it has to be refused.
    """

    name: str
    content: bytes
    options: dict[str, Any]
    rows: list[tuple[str, str]]
    missing: list[str]
    is_valid: bool = True


def normalize(label):
    visible = re.sub("[\u200b\u2060\ufeff]", "", label)
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", visible)).strip()


def is_missing(label):
    return normalize(label).lower() in {"", "nan", "null", "<na>", "#n/a"}


def unify(names):
    """Return labels, whole numbers without a fraction if all of them are numbers."""
    try:
        [float(name) for name in names]
    except ValueError:
        return names
    return [re.sub(r"(?<=\d)\.0*$", "", name) for name in names]


@st.composite
def spellings(draw, names, alphabet):
    """Draw one of the labels in a spelling that means the same."""
    label = draw(st.sampled_from(names))
    spelled = draw(st.sampled_from([label, *[f"{label}.", f"{label}.00"] * label.isdecimal()]))
    spelled = spelled.replace(" ", draw(st.sampled_from([" ", "  "])))
    if alphabet == "unicode":
        spelled = unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), spelled)
    before, after = (draw(st.sampled_from(BLANKS[alphabet])) for _ in range(2))
    return before + spelled + after


@st.composite
def tables(draw, alphabet):
    """Draw texts with labels as they are spelled, some of which may be missing."""
    texts = TEXTS[alphabet]
    names = st.sampled_from(draw(st.sampled_from([WORDS, NUMBERS])))
    if draw(st.booleans()):
        names = st.tuples(names, texts).map(lambda parts: normalize("".join(parts)))
    names = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    labels = spellings(names, alphabet)
    if not draw(st.integers(0, 4)):
        labels |= st.sampled_from(MISSING)
    regular = st.tuples(st.integers(0, 999).map("text {}".format), labels)
    rows = draw(st.lists(st.tuples(texts, labels) | regular, min_size=2, max_size=30))
    return [*rows, *[("a text", name) for name in names]]


@dataclass(frozen=True)
class Style:
    """How cells are written.

    Attributes:
        delimiter: Character between two cells.
        end: End of a line.
        quoting: Cells that are enclosed in quotes: ``minimal``, ``texts``, ``all``, or ``none``.
        before: Blanks before a delimiter.
        after: Blanks after a delimiter.
        is_declared: Whether the reader is told that quotes enclose nothing.
    """

    delimiter: str
    end: str
    quoting: str
    before: str
    after: str
    is_declared: bool

    def write(self, cell, *, is_text=False, is_last=False):
        """Return a cell as it is written and as it should be read; None if it is invalid."""
        before = "" if is_last else self.before
        is_special = bool(set(cell) & {self.delimiter, '"', "\n", "\r"})
        quoted = {"minimal": is_special, "texts": is_special or is_text, "all": True, "none": False}
        if quoted[self.quoting]:
            return '"' + cell.replace('"', '""') + '"' + before, None if before else cell
        written, read = cell + before, (cell + before).lstrip(" ")
        if self.quoting == "none" and not self.is_declared and read.startswith('"'):
            is_enclosed = re.fullmatch('"([^"]|"")*"', read)
            read = read[1:-1].replace('""', '"') if is_enclosed else None
        return written, read

    def join(self, cells):
        return (self.delimiter + self.after).join(cells)


styles = st.builds(
    Style,
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from(["minimal", "texts", "all", "none"]),
    before=st.sampled_from(["", "", "", "", "", " "]),
    after=st.sampled_from(["", "", "", " "]),
    is_declared=st.booleans(),
)


def write_rows(rows, style, order, first):
    """Return the lines of rows, what should be read, and whether all of them are valid.

    Args:
        rows: Texts, and labels as they are spelled.
        style: How cells are written.
        order: Position of each column in a line; those after the label are numbers.
        first: Number of the first line.
    """
    lines, expected, missing = [], [], []
    is_valid, number = True, first
    for text, label in rows:
        cells = [text, label, *[str(number)] * (len(order) - 2)]
        pairs = [style.write(cells[i], is_text=i == 0, is_last=i == order[-1]) for i in order]
        lines.append(style.join([written for written, _ in pairs]))
        found = {i: read for i, (_, read) in zip(order, pairs, strict=True)}
        is_valid &= None not in found.values()
        if is_valid and any(cell.strip() for cell in found.values()):
            if is_missing(found[1]):
                missing.append(f"line {number}")
            else:
                expected.append((found[0], normalize(found[1])))
        number += len(re.findall("\r\n|\r|\n", lines[-1] + style.end))
    return lines, expected, missing, is_valid


@st.composite
def csv_files(draw):
    """Draw a table in a file of comma-separated values or one of their relatives."""
    alphabet, style = draw(st.sampled_from(sorted(TEXTS))), draw(styles)
    rows, options = draw(tables(alphabet)), {}
    if style.quoting == "none":  # Such files cannot contain delimiters and line breaks.
        removed = f"[{re.escape(style.delimiter)}\r\n]"
        rows = [(re.sub(removed, "", text), re.sub(f'{removed}|"', "", lb)) for text, lb in rows]
        options |= {"quoting": "none"} if style.is_declared else {}
    is_usual = draw(st.booleans())
    names = [
        draw(st.sampled_from(TEXT_NAMES if is_usual else ("foo",))),
        draw(st.sampled_from(LABEL_NAMES if is_usual else ("bar",))),
        *draw(st.sampled_from([[], [], ["id"], [""], ["Unnamed: 0"], ["id", "date"]])),
    ]
    order = draw(st.permutations(range(len(names))))
    lines = [f"sep={style.delimiter}"] * (not draw(st.integers(0, 5)))
    if draw(st.integers(0, 4)):
        lines.append(style.join([style.write(names[i])[0] for i in order]))
    else:
        options["column_names"] = [names[i].strip() or "index" for i in order]
        # Such a file would be one of fastText.
        rows = [(text.replace("__label__", ""), label) for text, label in rows]
    if not is_usual or not draw(st.integers(0, 4)):
        options |= {"text_column": names[0], "label_column": names[1]}
    written, *expected = write_rows(rows, style, order, len(lines) + 1)
    blank = draw(st.sampled_from(["", " ", style.delimiter * (len(names) - 1)]))
    lines += [*written, *[blank] * draw(st.integers(0, 2))]
    content = style.end.join(lines) + style.end * draw(st.integers(0, 1))
    if alphabet == "cp1252":
        options["encoding"] = encoding = "cp1252"
    else:
        encoding = draw(st.sampled_from(ENCODINGS))
    mark = "\ufeff" if encoding.endswith("e") else ""
    suffix = draw(st.sampled_from([".csv", ".CSV", ".tsv", ".tab", ".txt"]))
    return Written(f"train{suffix}", (mark + content).encode(encoding), options, *expected)


@st.composite
def json_files(draw):
    """Draw a table as JSON lines or as an array of objects."""
    is_array = draw(st.booleans())
    expected, missing, objects = [], [], []
    for number, (text, label) in enumerate(draw(tables("unicode")), start=1):
        row = {"text": text, "label": label, "id": number, "more": {"label": [1]}}
        if is_missing(label):
            missing.append(f"{'example' if is_array else 'line'} {number}")
            row["label"] = draw(st.sampled_from([label, None, float("nan"), []]))
        elif draw(st.booleans()) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", label):
            row["label"] = json.loads(label)
            expected.append((text, json.dumps(row["label"])))
        else:
            row["label"] = draw(st.sampled_from([label, [label]]))
            expected.append((text, normalize(label)))
        if row["label"] is None and number > 1 and draw(st.booleans()):
            del row["label"]
        objects.append(dict(draw(st.permutations([*row.items()]))))
    is_ascii = draw(st.booleans())
    if is_array:
        content = json.dumps(
            objects, ensure_ascii=is_ascii, indent=draw(st.sampled_from([None, 2]))
        )
    else:
        end = draw(st.sampled_from(["\n", "\r\n"]))
        content = end.join(json.dumps(row, ensure_ascii=is_ascii) for row in objects)
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    suffix = draw(st.sampled_from([".json", ".jsonl", ".ndjson"]))
    return Written(f"train{suffix}", content.encode(encoding), {}, expected, missing)


def write_zip(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a folder/data.txt", content)
    return buffer.getvalue()


COMPRESSIONS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": write_zip}


@st.composite
def files(draw):
    """Draw a file, perhaps compressed, and perhaps without the suffix that says so."""
    file = draw(csv_files() | csv_files() | csv_files() | json_files())
    options = {**file.options, "missing_labels": draw(st.sampled_from(["refuse", "drop"]))}
    suffix = draw(st.sampled_from([None] * 4 + list(COMPRESSIONS)))
    if suffix is None:
        return replace(file, options=options)
    name = file.name + draw(st.sampled_from(["", suffix]))
    return replace(file, name=name, content=COMPRESSIONS[suffix](file.content), options=options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for tables, which are not cached, because a file is in the way."""
    path = tmp_path_factory.mktemp("generated")
    (path / "file").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLF_CACHE_DIR", str(path / "file" / "cache"))
        yield path / "tables"


def check(file, folder):
    """Read a file as each split of a folder; return the reason if it is refused."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for part in ("train", "validation", "test"):
        (folder / file.name.replace("train", part)).write_bytes(file.content)
    may_drop = file.options["missing_labels"] == "drop"
    try:
        dataset = load(folder, **file.options)
    except DataError as error:
        message = str(error)
        reasons = [reason for reason, pattern in REFUSALS.items() if re.search(pattern, message)]
        assert reasons, message
        assert "\n" not in message
        if reasons[0] == "a label is missing" and file.is_valid:
            n_missing, n_rows = len(file.missing), len(file.missing) + len(file.rows)
            shown = ", ".join(file.missing[:5]) + ", ..." * (n_missing > 5)
            assert f"no label in {n_missing} of {n_rows} examples ({shown})" in message
            assert not may_drop
        return reasons[0]
    assert file.is_valid
    assert may_drop or not file.missing
    texts, labels = zip(*file.rows, strict=True)
    for split in dataset.splits.values():
        assert list(split.texts) == list(texts)
        assert [dataset.label_names[label] for label in split.labels] == unify(list(labels))
    return None


@pytest.mark.slow
@FEW
@given(file=files())
def test_table_is_read_as_it_was_written_or_refused(folder, file):
    reason = check(file, folder)
    event(f"refused: {reason}" if reason else "read")


@pytest.mark.slow
@MANY
@given(file=files())
def test_more_tables_are_read_as_they_were_written_or_refused(folder, file):
    check(file, folder)
