"""Writes the model card of an export: a README.md with the front matter of Hugging Face."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from textclf.auditing.audit import Audit
from textclf.config.schema import DatasetConfig, ExperimentConfig
from textclf.data.dataset import TextDataset
from textclf.data.loading import describe_source
from textclf.errors import format_count
from textclf.evaluation.metrics import CONFIDENCE, SMALLEST_PROBABILITY, SubsetAccuracy
from textclf.evaluation.summary import FEW_EXAMPLES
from textclf.experiment.evaluate import measure_subsets
from textclf.exporting.tokenizer import find_preset_tokenizer
from textclf.runs.result import Predictions
from textclf.runs.run import Run
from textclf.tables import escape_control, format_start

TEMPLATES = Path(__file__).parent / "templates"

MODEL_CARD = "README.md"

TO_FILL_IN = """\
# license:  # of this model; to be filled in by the author
# language:  # of the texts, such as en
"""
"""Lines of the front matter that only the author knows."""

HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
"""A name of a dataset on the Hugging Face hub, with or without its owner."""

ADDRESS = re.compile(r"https?://[\w./~%?=&#+-]+")
"""An address that is certainly not more than that."""

SPECIAL = re.compile(r"""[^\w\s,;.'"/()%=?+-]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.""", re.IGNORECASE)
"""Characters that Markdown, HTML or a site could give a meaning within a line."""

REFIT = "training.refit"
"""The only key of ``text`` and ``training`` that a scikit-learn model uses."""

MAX_CHARACTERS = 300
"""Longer values are cut."""


def write_model_card(
    folder: Path, document: Mapping[str, Any], run: Run, dataset: TextDataset, audited: Audit
) -> None:
    """Write the model card of an export.

    Args:
        folder: Folder of the exported files.
        document: Content of ``export.json``.
        run: The run that was exported.
        dataset: Its dataset.
        audited: What an audit has found in the dataset.
    """
    metrics = _list_metrics(run)
    front = {
        "library_name": "keras" if run.directory.has_network else "sklearn",
        "pipeline_tag": "text-classification",
        "tags": ["textclf", "text-classification", document["format"]],
        **_describe_hub_dataset(run.config.dataset),
        "model-index": [_make_model_index(run, metrics)],
    }
    known = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    body = _render(document, run, dataset, audited, metrics)
    content = f"---\n{known}{TO_FILL_IN}---\n\n{body}"
    (folder / MODEL_CARD).write_text(content, encoding="utf-8")


def _render(
    document: Mapping[str, Any],
    run: Run,
    dataset: TextDataset,
    audited: Audit,
    metrics: list[dict[str, Any]],
) -> str:
    """Return the card below its front matter."""
    environment = Environment(  # noqa: S701 - `finalize` escapes for Markdown
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=escape_markdown,
        keep_trailing_newline=True,
    )
    config = run.config
    return environment.get_template("model_card.md").render(
        document=document,
        model=config.model.short_name,
        dataset=name_dataset(config.dataset),
        labels=dataset.label_names,
        has_own_code=config.model.code is not None,
        result=run.result,
        evaluation=run.evaluation,
        metrics=metrics,
        settings=_list_settings(config, is_network=run.directory.has_network),
        source=_describe_source(config.dataset),
        audited=audited,
        clean=_measure_clean(run, dataset),
        limits=_list_limits(run, audited),
        meta=run.directory.read_meta(),
        number=lambda value, decimals=0: f"{value:,.{decimals}f}",
        link=_format_link,
    )


def escape_markdown(value: Any) -> Any:
    """Return a value as text of one line that Markdown and HTML show as it is.

    Args:
        value: Anything; Markup stays as it is.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = escape_control(format_start(MAX_CHARACTERS)(value)).encode("utf-8", "replace").decode()
    return SPECIAL.sub(lambda match: f"&#{ord(match[0])};", text)


def _format_link(text: str) -> Any:
    """Return an address as a link; other text stays text."""
    return Markup(f"<{text}>") if ADDRESS.fullmatch(text) else text  # noqa: S704 - it was matched


def _list_settings(config: ExperimentConfig, *, is_network: bool) -> dict[str, str]:
    """Return the settings that the model uses by the keys of ``--set``, without folders."""
    settings = {
        key: Path(value).name if Path(value).is_absolute() else value
        for key, value in config.format_settings().items()
        if is_network or key == REFIT or not key.startswith(("text.", "training."))
    }
    return {**settings, "dataset.name": name_dataset(config.dataset)}


def name_dataset(config: DatasetConfig) -> str:
    """Return the name of a dataset without the folders in which it is."""
    prefix, _, path = config.name.partition(":")
    if prefix in {"hf", "tfds"}:
        return config.name if HUB_NAME.fullmatch(path) else Path(path).name
    return Path(config.short_name).name


def _describe_hub_dataset(config: DatasetConfig) -> dict[str, list[str]]:
    """Return the key of the front matter for a dataset of the Hugging Face hub."""
    path = config.name.removeprefix("hf:")
    is_on_hub = config.name.startswith("hf:") and HUB_NAME.fullmatch(path)
    return {"datasets": [path]} if is_on_hub and not Path(path).exists() else {}


def _describe_source(config: DatasetConfig) -> dict[str, str]:
    """Return where a dataset comes from, without the folders in which a file is."""
    name = name_dataset(config)
    return {key: name if v == config.name else v for key, v in describe_source(config).items()}


def _list_metrics(run: Run) -> list[dict[str, Any]]:
    """Return the metrics on the test split, with Hugging Face's names of their types."""
    values, intervals = run.evaluation.metrics, run.evaluation.intervals
    return [
        {
            "type": kind,
            "title": title,
            "value": values[name],
            "interval": measure_loss_interval(run.predictions)
            if name == "loss"
            else intervals.get(name),
        }
        for kind, title, name in (
            ("accuracy", "Accuracy", "accuracy"),
            ("f1", "Macro F1", "macro_f1"),
            ("loss", "Log loss", "loss"),
        )
    ]


def measure_loss_interval(predictions: Predictions) -> tuple[float, float] | None:
    """Return the 95% confidence interval of the mean loss, by Student's t distribution.

    None for a single example.
    """
    from scipy.special import stdtrit

    probabilities = np.maximum(predictions.probabilities, SMALLEST_PROBABILITY)
    losses = -np.log(probabilities[np.arange(len(predictions.label)), predictions.label])
    if len(losses) < 2:
        return None
    mean, error = losses.mean(dtype=float), losses.std(ddof=1, dtype=float) / len(losses) ** 0.5
    margin = stdtrit(len(losses) - 1, (1 + CONFIDENCE) / 2) * error
    return float(max(0, mean - margin)), float(mean + margin)


def _make_model_index(run: Run, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the entry of the front matter with the metrics on the test split."""
    config, result = run.config.dataset, run.result
    hub = _describe_hub_dataset(config).get("datasets")
    name = name_dataset(config)
    dataset = {"name": name, "type": hub[0] if hub else name, "split": result.split}
    for key in ("config", "revision"):
        if hub and (value := getattr(config, key, None)):
            dataset[key] = value
    measured = []
    for metric in metrics:
        arguments: dict[str, Any] = {"average": "macro"} if metric["type"] == "f1" else {}
        if interval := metric["interval"]:
            arguments |= {"confidence_level": CONFIDENCE, "confidence_interval": [*interval]}
        measured.append(
            {
                "type": metric["type"],
                "name": metric["title"],
                "value": metric["value"],
                "args": arguments,
            }
        )
    task = {"type": "text-classification", "name": "Text classification"}
    title = f"{run.config.model.short_name} trained on {name}"
    return {"name": title, "results": [{"task": task, "dataset": dataset, "metrics": measured}]}


def _measure_clean(run: Run, dataset: TextDataset) -> SubsetAccuracy | None:
    """Return the accuracy on unseen test examples; None if all of them are unseen."""
    predictions = run.predictions
    correct = predictions.probabilities.argmax(axis=1) == predictions.label
    measured = measure_subsets(run.config, dataset, "test", correct)
    clean = next(each for each in measured if each.subset == "clean")
    return clean if clean.n_examples < len(correct) else None


def _list_limits(run: Run, audited: Audit) -> list[str]:
    """Return sentences about what the model cannot do, and about what is not known of it."""
    evaluation = run.evaluation
    limits = [
        "Every text gets one of the labels, even a text about something else; a low probability is"
        " the only sign of that.",
        "The model was evaluated on the test split of its own dataset only; texts in another"
        " language, or from another source or time, were not measured.",
    ]
    if truncation := _describe_truncation(run, audited):
        limits.append(truncation)
    few = [scores for scores in evaluation.per_class if scores.support < FEW_EXAMPLES]
    if few:
        limits.append(
            f"Labels with fewer than {FEW_EXAMPLES} test examples, whose scores are very uncertain:"
            f" {len(few):,} of {len(evaluation.per_class):,}."
        )
    n_missed = sum(bool(scores.support and not scores.recall) for scores in evaluation.per_class)
    if n_missed:
        limits.append(
            f"No test example of {format_count(n_missed, 'label')} is predicted correctly."
        )
    low, _ = evaluation.intervals["accuracy"]
    if low <= evaluation.majority_accuracy:
        limits.append(
            "The accuracy is not significantly above that of always predicting the most frequent"
            " label."
        )
    if (n_uses := run.directory.count_test_evaluations()) > 1:
        limits.append(
            f"The test split was evaluated {n_uses:,} times, so that choices may have been made"
            " with it, and the metrics may be too high."
        )
    return limits


def _describe_truncation(run: Run, audited: Audit) -> str | None:
    """Return which part of long texts the model does not read; None if it reads whole texts."""
    text = run.config.text
    if find_preset_tokenizer(run.model):
        return (
            f"The model reads at most {text.sequence_length:,} tokens, which are words or pieces of"
            " words; two of them mark the beginning and the end. The end of a longer text is cut"
            " off."
        )
    length = getattr(getattr(run.model, "encoder", None), "sequence_length", None)
    if not length:
        return None
    end = "end" if text.truncating == "post" else "beginning"
    cut = f"The model reads at most {length:,} tokens: the {end} of a longer text is cut off"
    fractions = {row["sequence_length"]: row["truncated_texts"] for row in audited.truncation}
    if text.split != "auto" or length not in fractions:  # The audit counts words.
        return f"{cut}."
    return f"{cut}. This applies to {fractions[length]:.1%} of the texts of the dataset."
