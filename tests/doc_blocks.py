"""The fenced blocks of a page of the documentation, and what a test does with each.

An HTML comment directly above a block says what a reader of the page does not see:

- ``<!-- not executed: REASON -->``: the block needs what a test does not have;
- ``<!-- executed in: FOLDER -->``: the folder in which the reader is now.

``python tests/doc_blocks.py`` counts the blocks, and lists those that are not executed.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md")

TUTORIALS = tuple(
    page
    for page in PAGES
    if page in {ROOT / "README.md", ROOT / "docs" / "index.md"} or page.parent.name == "tutorials"
)
"""Pages that a newcomer follows from top to bottom, and on which nothing may be missing."""

GUIDES = tuple(page for page in PAGES if page not in TUTORIALS)

RUNNABLE = frozenset({"bash", "console", "python", "pycon"})
DATA = frozenset({"json", "yaml", "toml", "ini", "csv", "nginx", "dockerfile"})
OUTPUT = frozenset({"text"})

FENCE = re.compile(
    r"(?:^<!-- (?P<key>not executed|executed in): (?P<value>.+?) -->\n+)?"
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
SAVED = re.compile(r"[Ss]ave this as\s+`(?P<name>[\w./-]+)`[^\n]*\n+\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Page that contains it.
        line: Line of the page at which it begins.
        language: What follows the opening fence.
        code: Its lines, without the indentation of the fence.
        reason: Why it is not executed; empty if it is.
        folder: Folder in which the reader is, relative to where the page began.
        saved_as: Name of the file that the reader saves it as; empty if it is not a file.
        shown: Output that a following block shows, as text or as JSON; empty if there is none.
    """

    page: Path
    line: int
    language: str
    code: str
    reason: str
    folder: str
    saved_as: str
    shown: str

    @property
    def location(self) -> str:
        """Page and line, in a form that editors open."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_executed(self) -> bool:
        """Whether a test executes it."""
        return self.language in RUNNABLE and not self.reason


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page from top to bottom."""
    content = page.read_text(encoding="utf-8")
    matches = list(FENCE.finditer(content))
    return [_make_block(page, content, match) for match in matches]


def list_executed(pages: Iterable[Path]) -> list[Path]:
    """Return the pages that have a block to execute."""
    return [page for page in pages if any(block.is_executed for block in read_blocks(page))]


def name_page(page: Path) -> str:
    """Return the path of a page in the project."""
    return page.relative_to(ROOT).as_posix()


def _make_block(page: Path, content: str, match: re.Match[str]) -> Block:
    key, indent = match["key"], match["indent"]
    saved = SAVED.search(content[: match.start()])
    following = FENCE.match(content[match.end() :].lstrip("\n"))
    is_shown = following and following["language"] in {"text", "json"} and not following["key"]
    return Block(
        page=page,
        line=content.count("\n", 0, match.start("fence")) + 1,
        language=match["language"].strip(),
        code=re.sub(f"^{indent}", "", match["code"], flags=re.MULTILINE),
        reason=match["value"] if key == "not executed" else "",
        folder=match["value"] if key == "executed in" else ".",
        saved_as=saved["name"] if saved else "",
        shown=following["code"] if following and is_shown else "",
    )


def split_session(code: str) -> list[tuple[str, str]]:
    """Return the commands of a console session, each with the output below it."""
    parts = re.split(r"^\$ ", code, flags=re.MULTILINE)
    assert not parts[0].strip(), "a line of a console session precedes its first '$ '"
    commands = []
    for part in parts[1:]:
        match = re.match(r"((?:.*\\\n)*.*)\n?", part)
        assert match is not None
        commands.append((match[1], part[match.end() :]))
    return commands


def format_counts(pages: tuple[Path, ...] = PAGES) -> str:
    """Return how many blocks are executed and how many are not, with the reasons."""
    blocks = [block for page in pages for block in read_blocks(page)]
    runnable = [block for block in blocks if block.language in RUNNABLE]
    counts = Counter(block.language for block in runnable if block.is_executed)
    languages = ", ".join(f"{language} {n}" for language, n in sorted(counts.items()))
    skipped = [block for block in runnable if block.reason]
    lines = [f"{counts.total()} of {len(runnable)} blocks are executed: {languages}"]
    return "\n".join(
        lines + [f"not executed: {block.location}: {block.reason}" for block in skipped]
    )


if __name__ == "__main__":
    sys.stdout.write(format_counts() + "\n")
