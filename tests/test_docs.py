"""The pages are current: generated ones equal the code, and commands, links and fields exist."""

import doctest
import json
import re
import shlex

import click
import pytest
from support import ROOT, load_script

from textclf.cli import cli as group
from textclf.runs.result import Result
from textclf.testing import check_model

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("name", ["cli.md", "configuration.md"])
def test_generated_page_is_current(name):
    write = load_script("write_reference").DOCUMENTS[name]
    assert (ROOT / "docs" / name).read_text() == write(), "run: python scripts/write_reference.py"


def list_commands():
    """Yield each textclf command in the code blocks of the pages, and in the configurations."""
    for page in PAGES:
        for block in re.findall(r"```(?:console|bash)\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
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
    page = (ROOT / "docs" / "results.md").read_text()
    content = json.loads((smoke_run / "evaluation.json").read_text())
    assert Result.from_json(content)
    for name, value in content.items():
        keys = [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
        assert f"`{name}`" in page or all(f"`{key}`" in page for key in keys), name


def test_every_file_of_a_run_is_documented(smoke_run):
    page = (ROOT / "docs" / "results.md").read_text()
    for path in smoke_run.iterdir():
        assert path.name.startswith(".") or f"`{path.name}`" in page, path.name


def write_reviews(path):
    """Write the file of the page on datasets: as spreadsheets export it, with three gaps."""
    rows = [";review;sentiment;stars"]
    for i in range(200):
        product = ("kettle", "lamp", "radio", "mixer")[i // 2 % 4]
        if i % 2:
            rows.append(f'{i};"The {product} broke after {i + 9} days; no refund.";negative;1')
        else:
            label = "positive" if i % 20 else "Positive"
            rows.append(f"{i};My {product} still works after {i + 9} days.;{label};5")
    rows += [f"{i};Not rated.;;" for i in range(200, 203)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-16")


def test_datasets_prints_what_the_page_shows(cli, tmp_path):
    page = (ROOT / "docs" / "data.md").read_text()
    (session,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    commands = re.findall(r"^\$ textclf (.+)$", session, re.MULTILINE)
    assert len(commands) == 2
    write_reviews(tmp_path / "reviews.csv")
    printed = ""
    for line in commands:
        result = cli(*shlex.split(line))
        printed += f"$ textclf {line}\n{result.out}{result.err.partition('next: ')[0]}"
    assert printed.replace(str(tmp_path), "/data") == session


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_api_page_gives_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(
        str(ROOT / "docs" / "api.md"), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert tried > 20
    assert failed == 0


def list_files(page):
    """Return the content of each Python file that a page tells the reader to save, by name."""
    pattern = r"Save this as `([\w./]+)`:\n\n```python\n(.*?)```"
    return dict(re.findall(pattern, page.read_text(), re.DOTALL))


PLUGINS_PAGE = ROOT / "docs" / "plugins.md"


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A folder with the files of the page on plug-ins."""
    monkeypatch.chdir(tmp_path)
    for name, content in list_files(PLUGINS_PAGE).items():
        (tmp_path / name).write_text(content)
    return tmp_path


def list_tutorial_commands():
    """Return the textclf commands of the page on plug-ins, in order."""
    blocks = re.findall(r"```bash\n(.*?)```", PLUGINS_PAGE.read_text(), re.DOTALL)
    return [line.split("#")[0] for block in blocks[1:] for line in block.splitlines()]


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_tutorial_on_plugins_works_as_written(cli, plugins):
    commands = list_tutorial_commands()
    assert len(commands) == 10
    for line in commands:
        _, name, *arguments = shlex.split(line)
        # Not --smoke, whose runs are in another folder.
        small = ["--set", "dataset.limit=64", "--set", "training.epochs=1"]
        result = cli(name, *arguments, *(small if name in {"train", "compare"} else []))
        assert result.code == 0, f"{line}: {result.err}"
    assert {path.name for path in plugins.glob("runs/*/*")} >= {"average.py", "cnn", "tfidf-svc"}


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow", "plugins")
def test_models_and_tests_of_the_tutorial_pass():
    blocks = re.findall(r"```python\n(.*?)```", PLUGINS_PAGE.read_text(), re.DOTALL)
    (tests,) = (block for block in blocks if "def test_" in block)
    module: dict = {}
    exec(tests, module)
    for name, function in module.items():
        if name.startswith("test_"):
            function()


@pytest.mark.usefixtures("tensorflow", "forget")
def test_scikit_learn_model_of_the_tutorial_keeps_its_contract(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PLUGINS_PAGE.read_text(), re.DOTALL)
    (bayes,) = (block for block in blocks if "def fit" in block)
    (tmp_path / "bayes.py").write_text(bayes)
    check_model(str(tmp_path / "bayes.py"))
