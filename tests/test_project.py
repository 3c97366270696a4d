"""Files of the project that its code does not read agree with the code."""

import re

import pytest
import yaml
from support import ROOT

import textclf
from textclf.runtime.telemetry import VARIABLES

GITHUB = ROOT / ".github"


def test_citation_has_the_version_and_the_license():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == textclf.__version__
    assert citation["license"] == "MIT"
    holder = re.search(r"the textclf developers", (ROOT / "LICENSE").read_text())
    assert [author["name"].lower() for author in citation["authors"]] == [holder.group()]


def test_page_lists_the_variables_that_switch_telemetry_off():
    page = (ROOT / "docs" / "explanation" / "security.md").read_text()
    listed = re.findall(r"^\| [^|]+ \| `([A-Z_]+)=(\w+)` \|", page, re.MULTILINE)
    assert dict(listed) == VARIABLES


@pytest.mark.parametrize("path", sorted(GITHUB.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_to_files(path):
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        assert (path.parent / target).is_file(), target


@pytest.mark.skipif(not GITHUB.is_dir(), reason="the sdist has no files of GitHub")
@pytest.mark.parametrize("name", ["bug", "feature"])
def test_form_of_an_issue_has_what_github_needs(name):
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert form.keys() >= {"name", "description", "body"}
    fields = [item for item in form["body"] if item["type"] != "markdown"]
    assert {item["type"] for item in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    ids = [item["id"] for item in fields]
    assert len(ids) == len(set(ids)) >= 3
    assert all(item["attributes"]["label"] for item in fields)
