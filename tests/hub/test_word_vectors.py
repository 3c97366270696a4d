"""Word vectors from files, and ``textclf hub build``."""

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from textclf.errors import EmbeddingError
from textclf.hub.handles import hash_embedding
from textclf.hub.word_vectors import CHUNK, choose, read_file

GOOD = ["the 1 2 3", "of 4 5 6", "apple 7 8 9"]


def read(path, *, max_tokens):
    return choose(read_file(Path(path)), str(path), max_tokens=max_tokens)


def write(path, lines, *, end="\n"):
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("header", [[], ["3 3"]])
@pytest.mark.parametrize("suffix", [".txt", ".vec.gz"])
def test_reads_glove_and_word2vec_text_also_gzipped(tmp_path, header, suffix):
    path = tmp_path / f"vectors{suffix}"
    open_file = gzip.open if suffix.endswith(".gz") else open
    with open_file(path, "wb") as file:
        file.write("\n".join([*header, *GOOD]).encode())
    vectors = read(path, max_tokens=10)
    assert vectors.tokens == ("the", "of", "apple")
    assert vectors.matrix.dtype == np.float32
    assert vectors.matrix.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_keeps_the_first_words_that_a_text_can_hold(tmp_path):
    lines = [", 0 0 0", "The 1 2 3", "the 9 9 9", ". . . 0 0 0", "u.s. 0 0 0", "Éire 4 5 6 "]
    path = write(tmp_path / "vectors.txt", [*lines, "café 7 8 9", "left 0 0 0"])
    vectors = read(path, max_tokens=3)
    assert vectors.tokens == ("the", "éire", "café")
    assert vectors.matrix.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


SIX = [f"word{i} 1 2 3" for i in range(6)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*SIX, "seventh 1 2", *SIX], "vectors.txt, line 7: expected 3 numbers, got 2"),
        ([*SIX, "seventh 1 2 3 4", *SIX], "vectors.txt, line 7: expected 3 numbers, got 4"),
        ([*SIX, "seventh", *SIX], "vectors.txt, line 7: expected 3 numbers, got 0"),
        ([*SIX, "", "eighth 1"], "vectors.txt, line 8: expected 3 numbers, got 1"),
        (
            [*SIX, "seventh 1 x 3"],
            "vectors.txt, line 7: could not convert string to float: 'x'; mend",
        ),
        ([*SIX, "seventh 1 nan 3"], "vectors.txt, line 7: a number is no finite 32-bit float"),
        ([*SIX, "seventh 1 1e39 3"], "vectors.txt, line 7: a number is no finite 32-bit float"),
        (["9 3", *SIX], "is cut off: its first line promises 9 vectors, it has 6"),
        ([], "line 1: expected a word and its numbers, got ''"),
        (["word"], "line 1: expected a word and its numbers, got 'word'"),
        ([", 1 2", ". 3 4"], "has no words"),
    ],
)
def test_names_file_and_line_of_what_is_wrong(tmp_path, lines, message):
    path = write(tmp_path / "vectors.txt", lines, end="\n" if lines else "")
    with pytest.raises(EmbeddingError) as info:
        read(path, max_tokens=100)
    assert message in str(info.value)
    assert "\n" not in str(info.value)


def test_names_a_file_that_is_cut_off_missing_or_a_folder(tmp_path):
    whole = gzip.compress("\n".join(SIX * 500).encode())
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.gz").write_bytes(whole[:11] + bytes([whole[11] ^ 255]) + whole[12:])
    (tmp_path / "plain.gz").write_bytes(b"the 1 2 3\n")
    expected = {
        "cut.gz": "is damaged: Compressed file ended",
        "flipped.gz": "is damaged: Error -3",
        "plain.gz": "Not a gzipped file",
        "missing": "No such file",
        ".": "Is a directory",
    }
    for name, message in expected.items():
        with pytest.raises(EmbeddingError, match=message):
            read(tmp_path / name, max_tokens=10_000)


def test_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    path = write(tmp_path / "vectors.txt", ["\ufeffthe 1 2", "of 3 4"])
    assert read(path, max_tokens=9).tokens == ("the", "of")


def test_blank_lines_at_the_end_are_no_words(tmp_path):
    path = write(tmp_path / "vectors.txt", [f"word{i} 1 2" for i in range(CHUNK)], end="\n\n")
    assert len(read(path, max_tokens=2 * CHUNK).tokens) == CHUNK


def test_build_writes_an_embedding_whole_or_not_at_all(cli, tmp_path, monkeypatch):
    path = write(tmp_path / "vectors.txt", [*GOOD, "wrong 1"])
    words = ["hub", "build", "--vectors", path, "--format", "json"]

    def fail_half_way(model, folder, signatures):
        (Path(folder) / "saved_model.pb").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    failed = cli(*words, "out")
    assert failed.code == 1
    assert "vectors.txt, line 4: expected 3 numbers, got 1" in failed.error_line
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors.txt"]
    write(tmp_path / "vectors.txt", GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", fail_half_way)
        failed = cli(*words, "out")
    assert failed.code == 1
    assert "out" in failed.error_line
    assert "No space left on device" in failed.error_line
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors.txt"]
    (tmp_path / f".{os.getpid()}-out").mkdir()  # As a killed process with this number left it.
    row = cli(*words, "--max-tokens", 2, "out").json[0]
    assert (row["dim"], row["vocabulary_size"], row["weights"]) == (3, 2, 9)
    assert row["folder"] == "out"
    # A folder may have the name of a handle, and is itself what is described.
    assert cli(*words, "glove").json[0]["dim"] == 3
    again = cli(*words, "out")
    assert again.code == 1
    assert "out is there already: remove it" in again.error_line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["glove", "out", "vectors.txt"]


def test_the_same_vectors_give_the_same_embedding(tmp_path):
    path = write(tmp_path / "vectors.txt", GOOD)
    code = "import sys; from textclf.cli import main; main(sys.argv[1:])"
    words = [sys.executable, "-c", code, "hub", "build", "--vectors", path]
    processes = [
        subprocess.Popen([*words, name], cwd=tmp_path, stdout=subprocess.DEVNULL) for name in "ab"
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert hash_embedding(tmp_path / "a") == hash_embedding(tmp_path / "b")
