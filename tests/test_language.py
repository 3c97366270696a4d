"""The project speaks the language of its field: private words and unidiomatic constructions.

Each phrase is looked for in the source, the pages, the help, the configurations and the names of
tests; `EXCEPTIONS` has the places where it is meant otherwise.
"""

import ast
import functools
import io
import re
import tokenize

import pytest
from support import ROOT, load_script

WRITE = {
    # Terms.
    "floor, floors": "baseline model",
    "--baseline": "--gate",
    "right answer, right answers, wrong answer, wrong answers": "correct or incorrect prediction",
    "confident answer, confident answers, always answering": "prediction",
    "got right, got wrong, both right, both wrong": "predicted correctly or incorrectly",
    "wrong label, wrong labels, wrong_label, likely wrong": "incorrect label, label issue",
    "test texts": "test examples",
    "wires": "newswires",
    "picture, pictures": "plot",
    "go on, goes on, going on, went on, gone on": "resume",
    "near copy, near copies, exact copy, exact copies": "near-duplicate, duplicate",
    "repeated text, repeated texts": "duplicate",
    "suspect, suspects": "label issue",
    "contradictory, contradiction, contradictions": "conflicting labels",
    "parcel, parcels": "job inputs",
    "validation_share, test_share": "validation_fraction, test_fraction",
    "keep_best": "restore_best_weights",
    "dataset.subset": "dataset.limit",
    "stranger, strangers, stranger's": "untrusted",
    "95 %": "95% CI",
    "told apart, is no noise": "no significant difference",
    "the seal, its seal, seals, sealed": "checksum",
    "stored figures, the figures, its figures, whose figures": "metrics, scores, values",
    "mend, mends, mended, mending": "fix",
    # Constructions.
    "is no, are no, was no, were no": "is not a",
    "knows no": "does not know",
    "but for": "except",
    "stands in, stand in, standing in": "contains, appears in",
    "is told what, says of itself": "a sentence that says what it is or does",
}
"""What to write instead of each phrase."""

UNITS = "batch column epoch example file folder label line machine model process row run seed split"
CONSTRUCTIONS = {
    rf"(?<!\w)(?:an?|one) \w+ an? (?:{UNITS.replace(' ', '|')})(?!\w)": "one per line",
    r"(?:^|[.:;] )(?-i:Of) (?:the|these|those|all|each|its|\d)": "the subject first",
    r", since (?!\d)": "because",
}

COMPARATIVES = "better faster larger later less longer more slower smaller worse"
IDIOMATIC = {
    "is no, are no, was no, were no": ("", rf"(?! (?:{COMPARATIVES.replace(' ', '|')}))"),
}
"""What may be before and after a phrase: "no faster" and "no longer" are idiomatic."""


def compile_patterns():
    """Return each pattern, in which a space matches any white space, and what to write instead."""
    patterns = dict(CONSTRUCTIONS)
    for phrases, instead in WRITE.items():
        before, after = IDIOMATIC.get(phrases, ("", ""))
        for phrase in phrases.split(", "):
            patterns[rf"{before}(?<![\w-]){re.escape(phrase)}(?![\w-]){after}"] = instead
    return {
        re.compile(pattern.replace(r"\ ", " ").replace(" ", r"\s+"), re.IGNORECASE): instead
        for pattern, instead in patterns.items()
    }


PATTERNS = compile_patterns()


def read_comments(source):
    """Yield the first line and the text of each block of comments."""
    first, block, last = 0, [], -2
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            if line != last + 1:
                yield first, "\n".join(block)
                first, block = line, []
            block.append(token.string.lstrip("# "))
            last = line
    yield first, "\n".join(block)


def read_python(path):
    """Yield the line and the text of each string, docstring, comment and identifier."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name.replace("_", " ")
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.lineno, node.arg or ""
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
    yield from read_comments(source)


def read_test_names(path):
    """Yield the line and the words of each name of a test."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.removeprefix("test_").replace("_", " ")


def read_page(path):
    """Yield the content of a text file."""
    yield 1, path.read_text()


def list_files():
    """Yield each file and the function that reads it."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        yield path, read_python
    for folder, pattern in (
        (ROOT, "*.md"),
        (ROOT / "docs", "**/*.md"),
        (ROOT / "configs", "*.yaml"),
    ):
        yield from ((path, read_page) for path in sorted(folder.glob(pattern)))
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        yield path, read_test_names


FILES = {path.relative_to(ROOT).as_posix(): (path, read) for path, read in list_files()}


@functools.cache
def find_hits(name):
    """Return the line, the phrase and what to write instead for each hit in a file."""
    path, read = FILES[name]
    return sorted(
        (line + text[: match.start()].count("\n"), " ".join(match[0].split()), instead)
        for line, text in read(path)
        for match, instead in search(text)
    )


def search(text):
    """Yield each match in a text, and what to write instead."""
    for pattern, instead in PATTERNS.items():
        for match in pattern.finditer(text):
            yield match, instead


@pytest.mark.parametrize("name", FILES)
def test_file_uses_the_terms_of_the_field(name):
    problems = [
        f"{name}:{line}: '{phrase}': write: {instead}" for line, phrase, instead in find_hits(name)
    ]
    assert problems == []


def test_help_uses_the_terms_of_the_field():
    reference = load_script("write_reference")
    problems = [
        f"textclf {name} --help: '{match[0]}': write: {instead}"
        for name, command in reference.list_commands()
        for match, instead in search(reference.format_help(command, name))
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("The floors stand\nin the table.", ["floors", "stand\nin"]),
        ("A near copy is no duplicate.", ["near copy", "is no"]),
        ("There is no file, and it is no longer needed.", ["is no"]),
        ("XLA is no\nfaster; processors stand in for GPUs.", ["stand in"]),
        ("Prints an epoch a row.", ["an epoch a row"]),
        ("All but for one. Of the three, two remain.", ["but for", ". Of the"]),
        ("Newswires, a doorstop and the validation_shares.", []),
        ("A 95 % interval; --baseline RUN", ["95 %", "--baseline"]),
    ],
)
def test_phrases_are_found_as_whole_words(text, phrases):
    assert sorted(match[0] for match, _ in search(text)) == sorted(phrases)


def test_comments_and_names_are_read(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        '# A comment\n# of two lines.\nx = f"a {1} string"\n\n\ndef find_near_copy(): ...'
    )
    texts = [text for _, text in read_python(path)]
    assert {"A comment\nof two lines.", "a ", " string", "find near copy"} <= set(texts)
