"""Limits on sizes: they can be changed, and an invalid value is refused."""

import zipfile

import pytest

from textclf.errors import LimitError, RequestError
from textclf.storage.limits import Limit, measure_unpacked

LIMIT = Limit("TEXTCLF_MAX_TEST_MB", 2)


def test_variable_changes_the_limit(monkeypatch):
    assert LIMIT.n_bytes == 2_000_000
    monkeypatch.setenv("TEXTCLF_MAX_TEST_MB", "0.5")
    assert LIMIT.n_bytes == 500_000
    LIMIT.check(500_000, "a.csv")
    with pytest.raises(LimitError) as info:
        LIMIT.check(500_001, "a.csv")
    assert str(info.value) == (
        "a.csv is larger than the limit of 0.5 MB; if you trust it, raise TEXTCLF_MAX_TEST_MB"
    )


@pytest.mark.parametrize("value", ["", "much", "0", "-1", "nan", "inf", "1e400"])
def test_invalid_limit_is_refused(monkeypatch, value):
    monkeypatch.setenv("TEXTCLF_MAX_TEST_MB", value)
    with pytest.raises(RequestError) as info:
        LIMIT.check(1, "a.csv")
    assert str(info.value) == f"TEXTCLF_MAX_TEST_MB={value}: expected megabytes, such as 100"


def test_no_more_than_the_limit_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEST_MB", "0.000003")
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert LIMIT.read(path) == b"abc"
    path.write_bytes(b"abcd")
    with pytest.raises(LimitError, match="file is larger than the limit of 3e-06 MB"):
        LIMIT.read(path)


def test_archive_counts_with_its_unpacked_size(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert measure_unpacked(path) == 10
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"x" * 100_000)
        archive.writestr("b", b"y" * 200_000)
    assert path.stat().st_size < 10_000
    assert measure_unpacked(path) == 300_000
