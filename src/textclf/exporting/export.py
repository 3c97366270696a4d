"""Exports the model of a run to files that classify text without textclf."""

import json
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textclf import __version__
from textclf.auditing.audit import audit
from textclf.data.loading import load_dataset
from textclf.errors import GateError, RequestError, format_count, format_install, format_unknown
from textclf.experiment.device import start_device
from textclf.exporting import portable
from textclf.exporting.formats import FORMATS, QUANTIZATIONS, Format
from textclf.exporting.model_card import MODEL_CARD, name_dataset, write_model_card
from textclf.exporting.parity import EXAMPLE, Parity, Speed, load_example, predict_and_measure
from textclf.runs.directory import RunDirectory
from textclf.runs.run import Run
from textclf.runtime.backend import holding_back_stderr, import_tensorflow
from textclf.runtime.progress import Phases, Reporter
from textclf.storage.checksums import hash_file
from textclf.storage.files import (
    DAMAGE_ERRORS,
    format_json,
    list_absent_folders,
    remove,
    remove_empty_folders,
    write_atomically,
)

SCHEMA_VERSION = 1
"""Version of ``export.json``; raise it if a field changes its name or meaning."""

DOCUMENT = "export.json"

EARLIER_CARD = "README-previous.md"
"""The model card of an earlier export, as its author left it."""

PORTABLE = Path(portable.__file__).parent
"""Folder of the modules that are copied."""

VERSIONS = ("tensorflow", "keras", "numpy", "scikit-learn")
"""Packages whose versions are recorded, besides textclf's and those that ``example.py`` needs."""


@dataclass(frozen=True)
class ExportOptions:
    """What is written.

    Attributes:
        format: One of `FORMATS`; None for the default of the model.
        quantize: One of `QUANTIZATIONS`; None for float32.
        max_difference: Largest allowed difference of a probability; None for that of the format.
        force: Whether an earlier export may be replaced.
        device: ``auto``, ``cpu`` or ``gpu``.
    """

    format: str | None = None
    quantize: str | None = None
    max_difference: float | None = None
    force: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Export:
    """Exported files.

    Attributes:
        path: Their folder.
        format: One of `FORMATS`.
        quantize: One of `QUANTIZATIONS`; None for float32.
        n_bytes: Size of the model, ``example.py`` and the tokenizer.
        parity: How far their probabilities are from those of the run.
        speed: How fast ``example.py`` is.
    """

    path: Path
    format: str
    quantize: str | None
    n_bytes: int
    parity: Parity
    speed: Speed


def export(run: Run, output: Path, options: ExportOptions, *, reporter: Reporter) -> Export:
    """Write the model of a finished run in another format, and compare both on the test examples.

    Args:
        run: Finished run, which is not changed.
        output: Folder to write, which appears when it is complete.
        options: What is written.
        reporter: Prints progress.

    Raises:
        RequestError: An option is invalid, or the model cannot be written in the format.
        GateError: A probability differs by more than the bound; the folder is written.
    """
    name = options.format or ("saved-model" if run.directory.has_network else "numpy")
    check_options(run.directory, output, name, options)
    phases = Phases(reporter)
    with phases("load", f"loading the model of {run.path}"):
        start_device(options.device, is_network=run.directory.has_network, reporter=reporter)
        classifier, file_format = run.model, FORMATS[name]
    if problem := file_format.load().find_problem(classifier):
        raise RequestError(f"--format {name}: {problem}")
    with phases("dataset", f"loading {run.config.dataset.name}"):
        dataset = load_dataset(run.config.dataset)
        run.directory.check_dataset(dataset.digest)
    absent = list_absent_folders(output.parent)
    try:
        with write_atomically(output) as temporary:
            temporary.mkdir(parents=True)
            with phases("write", f"writing {output}"):
                _write_files(classifier, temporary, file_format, options.quantize)
            document = describe_model(run, name, options.quantize)
            document["files"] = files = _describe_files(temporary)
            texts, bound = dataset.test.texts, find_bound(name, options)
            with phases("parity", f"comparing {format_count(len(texts), 'test example')}"):
                parity, speed = _compare(temporary, document, run, texts, bound)
            import_tensorflow()  # Which the audit splits texts with.
            n_texts = sum(map(len, dataset.splits.values()))
            with phases("audit", f"auditing {format_count(n_texts, 'text')} for the model card"):
                # Quietly, because its notes are not about the model.
                audited = audit(dataset, run.config, phases=Phases(Reporter(quiet=True)))
            write_model_card(temporary, document, run, dataset, audited)
            document["files"] = {**files, MODEL_CARD: _describe_file(temporary / MODEL_CARD)}
            _write_document(temporary, document)
            if options.force:
                _keep_card(output, temporary, reporter)
                remove(output)
    except BaseException:
        remove_empty_folders(absent)
        raise
    n_bytes = sum(file["bytes"] for file in files.values())
    exported = Export(output, name, options.quantize, n_bytes, parity, speed)
    check_parity(exported)
    return exported


def check_options(run: RunDirectory, output: Path, name: str, options: ExportOptions) -> None:
    """Raise RequestError if something is wrong that is known before the model is loaded."""
    if name not in FORMATS:
        raise RequestError(format_unknown("format", name, FORMATS))
    if options.quantize and options.quantize not in QUANTIZATIONS:
        raise RequestError(format_unknown("quantization", options.quantize, QUANTIZATIONS))
    bound = options.max_difference
    if bound is not None and not 0 <= bound <= 1:
        raise RequestError(f"max_difference={bound}: expected a number from 0 to 1")
    file_format = FORMATS[name]
    if not run.has_network and name != "numpy":
        raise RequestError(
            f"--format {name} is for networks: export a scikit-learn model with --format numpy"
        )
    if options.quantize and name != "litert":
        raise RequestError(f"--quantize {options.quantize} needs --format litert, not {name}")
    missing = [package for package in file_format.imports if find_spec(package) is None]
    if file_format.extra and missing:
        raise RequestError(
            f"--format {name} needs the package {missing[0].replace('_', '-')}:"
            f" {format_install(file_format.extra)}"
        )
    _check_output(run, output, force=options.force)


def _check_output(run: RunDirectory, output: Path, *, force: bool) -> None:
    """Raise RequestError if exported files may not be written to a folder."""
    resolved = output.resolve()
    for folder in (resolved, *resolved.parents):
        if RunDirectory(folder).is_begun:
            raise RequestError(f"{output} is in the run directory {folder}; choose another folder")
    # They would be removed with an earlier export.
    for kept in (run.path.resolve(), Path.cwd()):
        if kept.is_relative_to(resolved):
            raise RequestError(f"{output} contains {kept}; choose another folder")
    if os.path.lexists(output):
        # Both, because --force removes the folder, and export.json is a common name.
        is_export = (output / DOCUMENT).is_file() and (output / EXAMPLE).is_file()
        if not is_export:
            raise RequestError(f"{output} exists and is not an export; choose another folder")
        if not force:
            raise RequestError(
                f"{output} exists; replace it with --force, or choose another folder"
            )


def _write_files(classifier: Any, folder: Path, file_format: Format, quantize: str | None) -> None:
    """Write the model, ``example.py``, and the tokenizer if the format has one."""
    file_format.load().write(classifier, folder, quantize)
    shutil.copyfile(PORTABLE / f"{file_format.example}.py", folder / EXAMPLE)
    if file_format.has_tokenizer:
        from textclf.exporting.tokenizer import describe_tokenizer

        shutil.copyfile(PORTABLE / "tokenizer.py", folder / "tokenizer.py")
        description = json.dumps(describe_tokenizer(classifier), ensure_ascii=False)
        (folder / "tokenizer.json").write_text(description, encoding="utf-8")


def _keep_card(earlier: Path, folder: Path, reporter: Reporter) -> None:
    """Copy the model card of an earlier export to a new one, if its author has changed it."""
    try:
        document = json.loads((earlier / DOCUMENT).read_text(encoding="utf-8"))
        written = document["files"][MODEL_CARD]["sha256"]
    except (*DAMAGE_ERRORS, OSError):  # Nothing, or another version's.
        written = None
    card = earlier / MODEL_CARD
    if card.is_file() and hash_file(card) != written:
        reporter.info(f"kept your model card as {earlier / EARLIER_CARD}")
    else:
        card = earlier / EARLIER_CARD
    if card.is_file():
        shutil.copyfile(card, folder / EARLIER_CARD)


def describe_model(run: Run, name: str, quantize: str | None) -> dict[str, Any]:
    """Return what ``export.json`` says about the model and the format."""
    result, packages = run.result, FORMATS[name].list_packages(run.model)
    versions = {"textclf": __version__}
    versions |= {package: metadata.version(package) for package in (*VERSIONS, *packages)}
    return {
        "schema_version": SCHEMA_VERSION,
        "format": name,
        "quantize": quantize,
        "model": result.model,
        "dataset": name_dataset(run.config.dataset),
        "fingerprint": result.fingerprint,
        "fold": result.fold,
        "seed": result.seed,
        "model_checksum": run.directory.model_checksum,
        "label_names": list(run.model.label_names),
        "packages": list(packages),
        "versions": {"python": platform.python_version(), **versions},
    }


def _describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the size and the checksum of each file by its path in a folder, except `DOCUMENT`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DOCUMENT)
    return {path.relative_to(folder).as_posix(): _describe_file(path) for path in paths}


def _describe_file(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": hash_file(path)}


def _compare(
    folder: Path,
    document: dict[str, Any],
    run: Run,
    texts: Sequence[str],
    bound: float,
) -> tuple[Parity, Speed]:
    """Compare ``example.py`` with the model of a run, and add the result to a document."""
    listed = list(texts)
    _write_document(folder, document)  # The program reads its label names.
    with holding_back_stderr():  # LiteRT prints how it computes.
        predicted, speed = predict_and_measure(load_example(folder), listed)
    parity = Parity.of(run.predict_proba(listed), predicted, bound)
    document |= {"parity": asdict(parity), "speed": asdict(speed)}
    return parity, speed


def _write_document(folder: Path, document: dict[str, Any]) -> None:
    (folder / DOCUMENT).write_text(format_json(document), encoding="utf-8")


def find_bound(name: str, options: ExportOptions) -> float:
    """Return the largest difference of a probability that is allowed."""
    if options.max_difference is not None:
        return options.max_difference
    return QUANTIZATIONS[options.quantize] if options.quantize else FORMATS[name].bound


def check_parity(exported: Export) -> None:
    """Raise GateError if exported files differ from the run by more than the bound."""
    parity = exported.parity
    if not parity.passed:
        raise GateError(
            f"{exported.path} differs from the run: the largest difference of a probability is"
            f" {parity.largest_difference:.3g}, above {parity.bound:g}, and"
            f" {format_count(parity.n_labels_different, 'predicted label')} of"
            f" {parity.n_examples:,} differ; allow more with --max-difference"
        )
