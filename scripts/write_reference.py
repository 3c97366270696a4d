"""Writes docs/cli.md and docs/configuration.md from the code; a test holds them to it.

Example: python scripts/write_reference.py
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import BaseModel

from textclf import registry
from textclf.cli import cli
from textclf.config.schema import (
    DatasetOptions,
    ModelParameters,
    Resources,
    TextConfig,
    TrainingConfig,
)

DOCS = Path(__file__).parent.parent / "docs"
WIDTH = 88

CLI_HEAD = """# Command-line reference

Written by `scripts/write_reference.py` from the commands' own help.

Results go to standard output, progress and messages to standard error. Exit codes:

| code | meaning |
| ---: | --- |
| 0 | done |
| 1 | the request is right but failed: a missing file, no network, a full disk |
| 2 | the request is wrong: an unknown name, option or key, a value out of its range |
| 3 | a gate failed |
| 130 | interrupted |

An expected error is one line on standard error: what was given, what is allowed, what to do next.
"""

CONFIGURATION_HEAD = """# Configuration reference

Written by `scripts/write_reference.py` from the code that checks configurations.

A configuration file is YAML with the sections below; every key has a default but the names of
dataset and model. `--set SECTION.KEY=VALUE` sets any of them. Values come, the later the stronger,
from the built-in defaults, the defaults of the dataset and of the model, the file, and the command
line. An unknown key is refused.

`seed` (top level, default 42) decides weights, order of texts and dropout.
"""


def format_help(command: click.Command, name: str) -> str:
    """Return what ``--help`` prints."""
    settings: dict[str, Any] = {**cli.context_settings, "terminal_width": WIDTH}
    parent = click.Context(cli, info_name="textclf", max_content_width=WIDTH, **settings)
    context = click.Context(command, parent=parent, info_name=name)
    lines = command.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def write_cli() -> str:
    """Return the text of docs/cli.md."""
    sections = [CLI_HEAD]
    for name, command in list_commands():
        help_text = format_help(command, name)
        sections.append(f"## textclf {name}\n\n```text\n{help_text}\n```\n")
    return "\n".join(sections)


def list_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield all commands with their names; after a group come its own, such as ``hub info``."""
    for name in registry.list_names("commands"):
        command = registry.load_module("commands", name).command
        yield name, command
        for own_name, own_command in getattr(command, "commands", {}).items():
            yield f"{name} {own_name}", own_command


def list_keys(section: type[BaseModel], inherited: type[BaseModel] | None) -> Iterator[str]:
    """Yield a table row for each key of a section that its base does not have."""
    properties = section.model_json_schema()["properties"]
    for name, field in section.model_fields.items():
        if inherited and name in inherited.model_fields:
            continue
        default = "required" if field.is_required() else f"`{format_default(field.default)}`"
        allowed = " or ".join(format_allowed(properties[name]))
        yield f"| `{name}` | {default} | {allowed} | {field.description} |"


LIMITS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def format_allowed(schema: dict[str, Any]) -> Iterator[str]:
    """Yield what a JSON schema allows, in words."""
    if "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from format_allowed(choice)
    elif "enum" in schema or "const" in schema:
        yield from (f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    elif schema["type"] == "object":
        yield "`{LABEL: number > 0, ...}`"
    else:
        limits = [
            f"{sign} {format_number(schema[key])}" for key, sign in LIMITS.items() if key in schema
        ]
        yield " ".join([schema["type"], ", ".join(limits)]).strip()


def format_number(value: float) -> str:
    """Return 1 for 1.0, whichever of them a version of pydantic gives."""
    return f"{int(value):,}" if value == int(value) else str(value)


def format_default(value: Any) -> str:
    """Return a default as YAML has it."""
    return str(yaml.safe_dump(value)).splitlines()[0]


def table(title: str, section: type[BaseModel], inherited: type[BaseModel] | None = None) -> str:
    """Return a section's heading and its keys."""
    rows = list(list_keys(section, inherited))
    if not rows:
        return ""
    return "\n".join(
        [
            f"## {title}\n",
            "| key | default | allowed | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def write_configuration() -> str:
    """Return the text of docs/configuration.md."""
    sections = [CONFIGURATION_HEAD, table("dataset", DatasetOptions)]
    for name in registry.list_names("datasets"):
        defaults = getattr(registry.load_module("datasets", name), "DEFAULTS", {})
        values = ", ".join(
            f"`{section}.{key}: {value}`"
            for section, keys in defaults.items()
            for key, value in keys.items()
        )
        if values:
            sections.append(f"`{name}` changes the defaults to {values}.\n")
        options = getattr(registry.load_module("datasets", name), "Options", None)
        if options:
            sections.append(table(f"dataset: {name}", options, DatasetOptions))
    for name in registry.list_names("collections"):
        options = registry.load_module("collections", name).Options
        title = "a file or folder" if name == "path" else f"{name}:NAME"
        sections.append(table(f"dataset: {title}", options, DatasetOptions))
    sections += [table("text", TextConfig), table("training", TrainingConfig)]
    sections.append(table("resources", Resources))
    sections.append(table("model", ModelParameters))
    for name in registry.list_names("models"):
        parameters = registry.load_module("models", name).Parameters
        sections.append(table(f"model: {name}", parameters, ModelParameters))
    return "\n".join(filter(None, sections))


DOCUMENTS = {"cli.md": write_cli, "configuration.md": write_configuration}


if __name__ == "__main__":
    for file_name, write in DOCUMENTS.items():
        (DOCS / file_name).write_text(write(), encoding="utf-8")
        print(f"wrote {DOCS / file_name}", file=sys.stderr)
