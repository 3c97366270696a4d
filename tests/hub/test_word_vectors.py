"""Word vectors from files, and the text embeddings that are built from them."""

import errno
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from textclf.errors import EmbeddingError
from textclf.hub.handles import hash_embedding
from textclf.hub.text_embedding import TextEmbedding
from textclf.hub.word_vectors import CHUNK, MAX_LINE_BYTES, choose, read_file

pytestmark = pytest.mark.usefixtures("tensorflow")

VALID = ["the 1 2 3", "of 4 5 6", "apple 7 8 9"]


def read(path, *, max_tokens):
    return choose(read_file(Path(path)), str(path), max_tokens=max_tokens)


def write(path, lines, *, end="\n"):
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("header", [[], ["3 3"]])
@pytest.mark.parametrize("suffix", [".txt", ".vec.gz"])
def test_glove_and_word2vec_text_files_are_read(tmp_path, header, suffix):
    path = tmp_path / f"vectors{suffix}"
    open_file = gzip.open if suffix.endswith(".gz") else open
    with open_file(path, "wb") as file:
        file.write("\n".join([*header, *VALID]).encode())
    vectors = read(path, max_tokens=10)
    assert vectors.tokens == ("the", "of", "apple")
    assert vectors.matrix.dtype == np.float32
    assert vectors.matrix.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_first_words_that_the_tokenizer_can_return_are_kept(tmp_path):
    lines = [", 0 0 0", "The 1 2 3", "the 9 9 9", ". . . 0 0 0", "u.s. 0 0 0", "Éire 4 5 6 "]
    path = write(tmp_path / "vectors.txt", [*lines, "café 7 8 9", "left 0 0 0"])
    vectors = read(path, max_tokens=3)
    assert vectors.tokens == ("the", "éire", "café")
    assert vectors.matrix.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


SIX = [f"word{i} 1 2 3" for i in range(6)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*SIX, "seventh 1 2", *SIX], r"vectors\.txt line 7: expected 3 numbers, got 2; fix or"),
        ([*SIX, "seventh 1 2 3 4", *SIX], r"vectors\.txt line 7: expected 3 numbers, got 4"),
        ([*SIX, "seventh", *SIX], r"vectors\.txt line 7: expected 3 numbers, got 0"),
        ([*SIX, "", "eighth 1"], r"vectors\.txt line 8: expected 3 numbers, got 1"),
        ([*SIX, "seventh 1 x 3"], r"vectors\.txt line 7: .*x.*; fix or remove the line"),
        ([*SIX, "seventh 1 nan 3"], r"vectors\.txt line 7: a number is not a finite 32-bit float"),
        ([*SIX, "seventh 1 1e39 3"], r"vectors\.txt line 7: a number is not a finite 32-bit float"),
        (["9 3", *SIX], "is cut off: its first line says 9 vectors, but it has 6"),
        ([], "line 1: expected a word and its numbers, got ''"),
        (["word"], "line 1: expected a word and its numbers, got 'word'"),
        (
            [*SIX, "x" * MAX_LINE_BYTES],
            r"vectors\.txt line 7 has 1,000,000 bytes or more: expected",
        ),
        ([", 1 2", ". 3 4"], "has no words: expected lines with a word and its numbers"),
    ],
)
def test_error_names_file_and_line(tmp_path, lines, message):
    path = write(tmp_path / "vectors.txt", lines, end="\n" if lines else "")
    with pytest.raises(EmbeddingError, match=message) as info:
        read(path, max_tokens=100)
    assert "\n" not in str(info.value)


def test_file_that_cannot_be_read_is_one_line(tmp_path):
    whole = gzip.compress("\n".join(SIX * 500).encode())
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.gz").write_bytes(whole[:11] + bytes([whole[11] ^ 255]) + whole[12:])
    (tmp_path / "plain.gz").write_bytes(b"the 1 2 3\n")
    (tmp_path / "folder").mkdir()
    for name in ("cut.gz", "flipped.gz"):
        with pytest.raises(EmbeddingError) as info:
            read(tmp_path / name, max_tokens=10_000)
        assert str(info.value).startswith(f"{tmp_path / name} is damaged: ")
        assert str(info.value).endswith("; download the file again")
    reasons = {"plain.gz": "", "missing": errno.ENOENT, "folder": errno.EISDIR}
    for name, reason in reasons.items():
        with pytest.raises(EmbeddingError) as info:
            read(tmp_path / name, max_tokens=10_000)
        expected = os.strerror(reason) if reason else ""
        assert str(info.value).startswith(f"cannot read {tmp_path / name}: {expected}")
        assert "\n" not in str(info.value)


def test_word_that_is_not_utf_8_is_an_error(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes("the 1 2\ncafé 3 4\n".encode("latin-1"))
    for keep in (None, lambda word: True):
        with pytest.raises(
            EmbeddingError, match=r"vectors\.txt line 2: the word is not UTF-8; con"
        ):
            list(read_file(path, keep))


def test_byte_order_mark_is_not_part_of_the_first_word(tmp_path):
    path = write(tmp_path / "vectors.txt", ["\ufeffthe 1 2", "of 3 4"])
    assert read(path, max_tokens=9).tokens == ("the", "of")


def test_blank_lines_at_the_end_are_ignored(tmp_path):
    path = write(tmp_path / "vectors.txt", [f"word{i} 1 2" for i in range(CHUNK)], end="\n\n")
    assert len(read(path, max_tokens=2 * CHUNK).tokens) == CHUNK


def test_embedding_divides_the_sum_of_vectors_by_the_root_of_their_number(folder):
    texts = tf.constant(["apple pear", "", "Saw, NAIL & file!", "nobody knows", "apple"])
    found = TextEmbedding(folder).functions[False](texts).numpy()
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    unknown = rows.mean(axis=0)
    expected = [
        (rows[0] + rows[1]) / np.sqrt(2),
        np.zeros(4),
        (rows[2] + rows[3] + rows[4]) / np.sqrt(3),
        2 * unknown / np.sqrt(2),
        rows[0],
    ]
    assert found == pytest.approx(np.array(expected), abs=1e-5)


PLAIN_TENSORFLOW = """
import json, sys
import tensorflow as tf
embedding = tf.saved_model.load(sys.argv[1])
signature = embedding.signatures["serving_default"](texts=tf.constant(["pear"]))
print(json.dumps({
    "called": embedding(tf.constant(["Apple!", "?"])).numpy().tolist(),
    "signature": [output.numpy().tolist() for output in signature.values()],
    "trainable": [v.shape.as_list() for v in embedding.trainable_variables],
    "imports_textclf": "textclf" in sys.modules,
}))
"""


@pytest.mark.slow
def test_other_programs_can_use_the_embedding(folder):
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_TENSORFLOW, folder], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {
        "called": [[0, 1, 2, 3], [0, 0, 0, 0]],
        "signature": [[[4, 5, 6, 7]]],
        "trainable": [[6, 4]],
        "imports_textclf": False,
    }
    tokens = (folder / "assets" / "tokens.txt").read_text().split()
    assert tokens == ["apple", "pear", "saw", "nail", "file"]


def test_embedding_is_built_whole_or_not_at_all(cli, tmp_path, monkeypatch):
    path = write(tmp_path / "vectors.txt", [*VALID, "wrong 1"])
    build = ["hub", "build", "--vectors", path, "--format", "json"]

    def fail_half_way(model, folder, signatures):
        (Path(folder) / "saved_model.pb").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    failed = cli(*build, "out")
    assert failed.code == 1
    assert "vectors.txt line 4: expected 3 numbers, got 1" in failed.error_line
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors.txt"]
    write(tmp_path / "vectors.txt", VALID)
    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", fail_half_way)
        failed = cli(*build, "out")
    assert failed.code == 1
    assert f"cannot write out: {os.strerror(errno.ENOSPC)}" in failed.error_line
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors.txt"]
    # A killed process with the same id left this folder.
    (tmp_path / f".{os.getpid()}-out").mkdir()
    row = cli(*build, "--max-tokens", 2, "out").json[0]
    assert (row["dim"], row["vocabulary_size"], row["n_parameters"]) == (3, 2, 9)
    assert row["folder"] == "out"
    # A folder may have the name of a handle, and the folder is what is described.
    assert cli(*build, "glove").json[0]["dim"] == 3
    again = cli(*build, "out")
    assert again.code == 1
    assert "out already exists: delete it, or choose another folder" in again.error_line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["glove", "out", "vectors.txt"]


@pytest.mark.slow
def test_same_vectors_give_the_same_embedding(tmp_path):
    path = write(tmp_path / "vectors.txt", VALID)
    code = "import sys; from textclf.cli import main; main(sys.argv[1:])"
    arguments = [sys.executable, "-c", code, "hub", "build", "--vectors", path]
    processes = [
        subprocess.Popen([*arguments, name], cwd=tmp_path, stdout=subprocess.DEVNULL)
        for name in "ab"
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert hash_embedding(tmp_path / "a") == hash_embedding(tmp_path / "b")
