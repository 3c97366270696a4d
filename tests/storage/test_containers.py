"""Files are opened by their content, whatever their suffix is."""

import bz2
import errno
import gzip
import io
import lzma
import os
import zipfile

import pytest
from support import write_xlsx

from textclf.errors import DataError, LimitError
from textclf.storage.containers import open_content

CONTENT = b"text,label\na,b\n" * 100


def write_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def read(path):
    with open_content(path) as (file, name):
        return file.read(), name


PACKED = {
    "plain": CONTENT,
    "gzip": gzip.compress(CONTENT),
    "bz2": bz2.compress(CONTENT),
    "xz": lzma.compress(CONTENT),
}


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "a.csv"),
        ("A.CSV.GZ", "a.csv"),
        ("a.csv.bz2", "a.csv"),
        ("a.tsv.xz", "a.tsv"),
        ("a.b.jsonl.zip", "a.b.jsonl"),
        ("a", "a"),
    ],
)
def test_content_is_unpacked_whatever_the_suffix_is(tmp_path, packed, name, expected):
    (tmp_path / name).write_bytes(packed)
    assert read(tmp_path / name) == (CONTENT, expected)


@pytest.mark.parametrize("name", ["a.zip", "a.csv", "a.csv.zip", "a"])
@pytest.mark.parametrize(
    "others", [{}, {"data/": b""}, {"data/.DS_Store": b"x", "__MACOSX/data/._b.tsv": b"x"}]
)
def test_file_in_a_zip_archive_is_opened_with_its_own_name(tmp_path, name, others):
    (tmp_path / name).write_bytes(write_zip({"data/b.tsv": CONTENT, **others}))
    assert read(tmp_path / name) == (CONTENT, "data/b.tsv")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"data/": b""}, r"a\.zip contains 0 files \(\); unpack it"),
        (
            {"train": b"1", "test": b"2"},
            r"a\.zip contains 2 files \(train, test\); unpack it, and give one of them or the fold",
        ),
        (dict.fromkeys("edcba", b""), r"a\.zip contains 5 files \(e, d, c, \.\.\.\); unpack it"),
    ],
)
def test_zip_archive_without_exactly_one_file_is_refused(tmp_path, members, message):
    (tmp_path / "a.zip").write_bytes(write_zip(members))
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a.zip"])
def test_spreadsheet_is_not_unpacked(tmp_path, name):
    path = write_xlsx(tmp_path / name, {"one": [["text"]], "two": []})
    assert read(path)[0] == path.read_bytes()


def test_spreadsheet_of_libreoffice_is_not_unpacked(tmp_path):
    content = write_zip({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"})
    (tmp_path / "a.ods").write_bytes(content)
    assert read(tmp_path / "a.ods")[0] == content


def test_spreadsheet_in_a_compressed_file_is_opened(tmp_path):
    content = write_xlsx(tmp_path / "a.xlsx", {"one": [["text"]]}).read_bytes()
    (tmp_path / "a.xlsx.gz").write_bytes(gzip.compress(content))
    assert read(tmp_path / "a.xlsx.gz") == (content, "a.xlsx")


def encrypt(archive):
    """Return an archive whose members have the flag of encryption."""
    return archive.replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\1").replace(
        b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PACKED["gzip"][:-9], "cannot read {}: Compressed file ended before"),
        (PACKED["gzip"][:20] + b"damaged", "cannot read {}: "),
        (PACKED["bz2"][:-9], "cannot read {}: Compressed file ended before"),
        (PACKED["xz"][:-9], "cannot read {}: "),
        (PACKED["xz"][:20] + b"damaged", "cannot read {}: "),
        (write_zip({"a": CONTENT})[:-9], "cannot read {}: File is not a zip file"),
        (encrypt(write_zip({"a": CONTENT})), "cannot unpack {}: File 'a' is encrypted"),
        (None, f"cannot read {{}}: {os.strerror(errno.ENOENT)}"),
    ],
    ids=["gzip", "gzip-2", "bz2", "xz", "xz-2", "zip", "encrypted", "missing"],
)
def test_damaged_file_is_one_line_with_its_name(tmp_path, content, message):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as info:
        read(path)
    assert str(info.value).startswith(message.format(path))
    assert "\n" not in str(info.value)


def test_archive_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_FILE_MB", "0.001")
    (tmp_path / "a.zip").write_bytes(write_zip({"a": CONTENT}))
    with pytest.raises(LimitError, match=r"a\.zip is larger than the limit of 0\.001 MB"):
        read(tmp_path / "a.zip")
