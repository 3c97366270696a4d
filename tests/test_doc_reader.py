"""The reader of pages executes what a page says, and finds its mistakes."""

import pytest
from doc_blocks import read_blocks, split_session
from doc_reader import Reader, list_tables, reduce_work
from doc_shell import NEEDS_BASH

PAGE = """# Title

Save this as `part/hello.py`:

```python
WORD = "hello"
```

<!-- executed in: part -->
```python
import hello
print(hello.WORD, 3)
```

```text
hello 4
```

<!-- not executed: needs Docker -->
```bash
docker run
```

- an item:

  ```yaml
  a: [1, 2]
  ```
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return a function that executes the content of a page."""
    monkeypatch.setattr("doc_blocks.ROOT", tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()

    def read(content):
        page = tmp_path / "page.md"
        page.write_text(content)
        reader = Reader(page, folder, lambda: None, trains_runs=False)
        try:
            return reader.read()
        finally:
            reader.close()

    return read


def write_block(language, *lines):
    return "\n".join([f"```{language}", *lines, "```", ""])


def test_blocks_are_found_with_their_comments(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    hello, python, text, bash, yaml = read_blocks(page)
    assert (hello.saved_as, hello.line, hello.language) == ("part/hello.py", 5, "python")
    assert (python.folder, python.shown, python.is_executed) == ("part", "hello 4\n", True)
    assert (text.language, text.is_executed) == ("text", False)
    assert (bash.reason, bash.is_executed, bash.folder) == ("needs Docker", False, ".")
    assert (yaml.code, yaml.saved_as) == ("a: [1, 2]\n", "")


def test_session_is_split_into_commands_and_outputs():
    session = "$ one \\\n  --two\nshown\n\nmore\n$ three\n"
    assert split_session(session) == [("one \\\n  --two", "shown\n\nmore\n"), ("three", "")]


@NEEDS_BASH
def test_page_is_executed_from_top_to_bottom(read, tmp_path):
    assert read(PAGE) == 2
    assert (tmp_path / "folder" / "part" / "hello.py").read_text() == 'WORD = "hello"\n'


@NEEDS_BASH
def test_commands_run_in_the_shell_of_the_page(read, tmp_path):
    read(
        write_block("bash", "mkdir sub", "export NAME=models")
        + write_block("bash", "cd sub", "textclf $NAME --format csv | head -n 2 > models.csv")
        + write_block("console", "$ textclf models bert", "textclf: unknown model")
        + write_block("bash", "python -c 'import pathlib; pathlib.Path(\"made\").touch()'")
    )
    header, first = (tmp_path / "folder" / "sub" / "models.csv").read_text().splitlines()
    assert header.startswith("name,")
    assert first.startswith("cnn,")
    assert (tmp_path / "folder" / "made").is_file()


@NEEDS_BASH
@pytest.mark.parametrize(
    ("page", "message"),
    [
        (write_block("bash", "textclf models bert", "true"), "textclf: unknown model 'bert'"),
        (write_block("bash", "false | true"), "page.md:1: exit code 1: \\+ "),
        (write_block("console", "$ textclf models bert", "x"), "exit code 2"),
        (write_block("console", "$ textclf models", "textclf: unknown"), "exit code 0"),
        (write_block("console", "$ textclf models", "name  size", "----  ----"), "'size'"),
        (write_block("python", "print(1 / 2, 'a')") + "\n" + write_block("text", "0.7 b"), "page"),
        (write_block("pycon", ">>> 1 + 1", "3"), "Expected:\n    3\nGot:\n    2"),
        (write_block("python", "def test_it():", "    raise KeyError('called')"), "called"),
        (write_block("bash", "pip install 'textclf-keras[none]'"), "mark the block"),
        (write_block("ruby", "puts 1"), "```ruby"),
        (write_block("yaml", "dataset: {name: bbc}", "model: {name: bert}"), "'bert'"),
    ],
)
def test_what_is_wrong_on_a_page_is_found(read, page, message):
    with pytest.raises(Exception, match=message):
        read(page)


@NEEDS_BASH
def test_output_outside_of_tables_is_not_compared(read):
    assert read(write_block("console", "$ textclf models", "x")) == 1


def test_work_is_reduced():
    line = "compare --seeds 3 --jobs auto --train-per-label 8,32,all --search a=1,2"
    reduced = "compare --seeds 2 --jobs 1 --train-per-label 8,all --search a=1,2"
    assert reduce_work(line.split(), n_seeds=2) == reduced.split()
    assert reduce_work(["tune", "--seeds", "1"]) == ["tune", "--seeds", "1", "--trials", "2"]
    assert reduce_work(["tune", "--show", "x"]) == ["tune", "--show", "x"]


def test_columns_of_tables_are_found():
    assert list_tables("title\nmodel  train s\n-----  -------\ncnn    1\n\n---\n") == [
        ["model", "train s"]
    ]
