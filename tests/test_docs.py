"""The pages are current: generated ones equal the code, and commands, links and fields exist."""

import json
import re
import shlex

import click
import pytest
from doc_blocks import PAGES, read_blocks, split_session
from doc_data import write_feedback
from support import ROOT, load_script

from textclf.cli import cli as group
from textclf.runs.result import Result
from textclf.testing import check_model


@pytest.mark.parametrize("name", ["cli.md", "configuration.md"])
def test_generated_page_is_current(name):
    write = load_script("write_reference").DOCUMENTS[name]
    assert (ROOT / "docs" / "reference" / name).read_text() == write(), (
        "run: python scripts/write_reference.py"
    )


def list_commands():
    """Yield each textclf command in the code blocks of the pages, and in the configurations."""
    for page in PAGES:
        for block in read_blocks(page):
            if block.language not in {"bash", "console"}:
                continue
            for line in block.code.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|;|\|", line):
                    command = part.strip().removeprefix("$ ")
                    if command.startswith("textclf "):
                        yield pytest.param(command.split("#")[0], id=f"{page.name}: {command}")
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        yield pytest.param(path.read_text().splitlines()[0].removeprefix("# "), id=path.name)


COMMANDS = list(list_commands())


def test_there_are_commands_in_the_readme():
    assert sum(command.id.startswith("README.md") for command in COMMANDS) >= 6


@pytest.mark.parametrize("line", COMMANDS)
def test_command_in_a_page_parses(line):
    name, *arguments = shlex.split(line)[1:]
    if name.startswith("-"):
        return
    command = group.get_command(click.Context(group), name)
    while isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.commands[name]
    with command.make_context(name, arguments, **group.context_settings) as context:
        config_path = context.params.get("config_path")
    if config_path and config_path.parent.name == "configs":
        assert (ROOT / config_path).is_file()


def list_anchors(page):
    """Return the anchors of the headings of a page, as GitHub makes them."""
    without_code = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in list_anchors(path), f"{target}#{anchor}"


def test_every_field_of_evaluation_json_is_documented(smoke_run):
    page = (ROOT / "docs" / "reference" / "results.md").read_text()
    content = json.loads((smoke_run / "evaluation.json").read_text())
    assert Result.from_json(content)
    for name, value in content.items():
        keys = [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
        assert f"`{name}`" in page or all(f"`{key}`" in page for key in keys), name


def test_every_file_of_a_run_is_documented(smoke_run):
    page = (ROOT / "docs" / "reference" / "results.md").read_text()
    for path in smoke_run.iterdir():
        assert path.name.startswith(".") or f"`{path.name}`" in page, path.name


def test_datasets_prints_what_the_page_shows(cli, tmp_path):
    blocks = read_blocks(ROOT / "docs" / "how-to" / "data.md")
    (session,) = (block.code for block in blocks if block.language == "console")
    commands = split_session(session)
    assert len(commands) == 2
    write_feedback(tmp_path / "feedback.csv")
    for line, shown in commands:
        result = cli(*shlex.split(line)[1:])
        printed = result.out + result.err.partition("next: ")[0]
        assert printed.replace(str(tmp_path), "/data") == shown


@pytest.mark.usefixtures("tensorflow", "forget")
def test_scikit_learn_model_of_the_tutorial_keeps_its_contract(tmp_path):
    blocks = read_blocks(ROOT / "docs" / "how-to" / "plugins.md")
    (bayes,) = (block.code for block in blocks if "def fit" in block.code)
    (tmp_path / "bayes.py").write_text(bayes)
    check_model(str(tmp_path / "bayes.py"))
