"""The models of a server: how they are named, loaded, warmed up, and replaced."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textclf.errors import RequestError, RunError, TextclfError, format_error
from textclf.experiment.device import start_device
from textclf.explanation.explain import explain_texts
from textclf.runs.run import Run
from textclf.runs.search import find_finished_run
from textclf.runtime.progress import Reporter
from textclf.serving.log import JsonLog
from textclf.serving.metrics import Metrics
from textclf.serving.options import MAX_BATCH, MAX_EXPLANATION_QUEUE, ServerOptions
from textclf.serving.worker import Worker

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Name of a model in a URL."""

Load = Callable[[Path], Any]
"""Returns the classifier of a run."""


class ServedModel:
    """A classifier that predicts in one thread and explains in another.

    Args:
        name: Name of the model.
        classifier: `TextClassifier` or `SklearnClassifier`.
        options: Limits of the queues.
        metrics: Where batches and queues are counted.
    """

    def __init__(
        self, name: str, classifier: Any, options: ServerOptions, metrics: Metrics
    ) -> None:
        self.label_names = tuple(classifier.label_names)
        self._classifier = classifier
        self._warm_up()
        self._predictions = Worker(
            self._predict,
            max_batch=MAX_BATCH,
            max_queue=options.max_queue,
            on_batch=metrics.batch.labels(name).observe,
        )
        self._explanations = Worker(
            self._explain, max_batch=1, max_queue=MAX_EXPLANATION_QUEUE, on_batch=lambda _: None
        )
        for route, worker in (("predict", self._predictions), ("explain", self._explanations)):
            metrics.queue.labels(name, route).set_function(worker.count_queued)

    def predict(self, texts: Sequence[str]) -> "asyncio.Future[list[dict[str, Any]]]":
        """Queue texts; the result is the label and the probabilities of each.

        Raises:
            QueueFullError: Too many texts wait.
        """
        return self._predictions.submit(texts)

    def explain(self, texts: Sequence[str]) -> "asyncio.Future[list[tuple[Any, Any]]]":
        """Queue texts; the result is the prediction of each and an explanation of its label.

        Raises:
            QueueFullError: Too many texts wait.
        """
        return self._explanations.submit(texts)

    def close(self) -> None:
        """End both threads after what is queued."""
        self._predictions.close()
        self._explanations.close()

    def _warm_up(self) -> None:
        """Predict with the sizes that batches have, so that the first requests are not slow."""
        for n_texts in (1, 2, MAX_BATCH):
            probabilities = self._classifier.predict_texts(["A first text."] * n_texts)
            if not np.isfinite(probabilities).all():
                raise RunError("the model predicts probabilities that are not numbers")

    def _predict(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        names, probabilities = self.label_names, self._classifier.predict_texts(texts)
        return [
            {"label": names[best], "probabilities": dict(zip(names, row, strict=True))}
            for best, row in zip(
                probabilities.argmax(axis=1).tolist(), probabilities.tolist(), strict=True
            )
        ]

    def _explain(self, texts: Sequence[str]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        found = explain_texts(self._classifier, texts, reporter=Reporter(quiet=True))
        keys = ("label", "probability", "method", "score", "baseline")
        explanations = [
            {
                **{key: getattr(explanation, key) for key in keys},
                "tokens": [asdict(token) for token in explanation.tokens],
            }
            for explanation in found
        ]
        return [*zip(self._predict(texts), explanations, strict=True)]


@dataclass
class Slot:
    """A name, and the model that is served under it.

    Attributes:
        name: Name of the model.
        path: Its run.
        model: The model; None if it could not be loaded.
        version: How often it was loaded.
    """

    name: str
    path: Path
    model: ServedModel | None = None
    version: int = 0


class ServedModels:
    """All models of a server.

    Args:
        paths: Runs by the names of their models.
        load: Returns the classifier of a run.
        options: Limits of the queues.
        metrics: Metrics of the server.
        log: Log of the server.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        load: Load,
        *,
        options: ServerOptions,
        metrics: Metrics,
        log: JsonLog,
    ) -> None:
        self.slots = {name: Slot(name, path) for name, path in paths.items()}
        self._load, self._options = load, options
        self._metrics, self._log = metrics, log
        self._reloading = asyncio.Lock()

    @property
    def are_ready(self) -> bool:
        """Whether all models are ready."""
        return all(slot.model for slot in self.slots.values())

    def load_all(self) -> None:
        """Load all models, before the server starts.

        Raises:
            RunError: None of them can be loaded.
        """
        found = [self._try_to_load(slot) for slot in self.slots.values()]
        problems = [problem for problem in found if isinstance(problem, str)]
        if len(problems) == len(found):
            raise RunError("; ".join(problems))
        for slot, loaded in zip(self.slots.values(), found, strict=True):
            self._replace(slot, loaded)

    async def reload(self) -> None:
        """Load all models again, and replace each that can be loaded; the others stay."""
        async with self._reloading:
            for slot in self.slots.values():
                # Replaced by this thread, which also queues texts: none gets to a closed model.
                self._replace(slot, await asyncio.to_thread(self._try_to_load, slot))

    def close(self) -> None:
        """End the threads of all models."""
        for slot in self.slots.values():
            if slot.model:
                slot.model.close()

    def _try_to_load(self, slot: Slot) -> ServedModel | str:
        """Return the model of a slot, loaded again, or why it cannot be loaded."""
        try:
            classifier = self._load(slot.path)
            return ServedModel(slot.name, classifier, self._options, self._metrics)
        except Exception as error:  # A model's own code may raise any.
            return str(error) if isinstance(error, TextclfError) else format_error(error)

    def _replace(self, slot: Slot, loaded: ServedModel | str) -> None:
        """Serve a loaded model instead of the one before it; log why it could not be loaded."""
        fields = {"model": slot.name, "run": str(slot.path)}
        if isinstance(loaded, str):
            self._log.write("error", "load_failed", **fields, error=loaded)
            self._metrics.loads.labels(slot.name, "failed").inc()
        else:
            before, slot.model = slot.model, loaded
            slot.version += 1
            self._log.write("info", "loaded", **fields)
            self._metrics.loads.labels(slot.name, "ok").inc()
            if before:
                before.close()
        self._metrics.ready.labels(slot.name).set(slot.model is not None)


def make_loader(*, device: str, trust_code: bool, reporter: Reporter) -> Load:
    """Return a function that loads the classifier of a run."""

    def load(path: Path) -> Any:
        run = Run(find_finished_run(path).path, trust_code=trust_code)
        start_device(device, is_network=run.directory.has_network, reporter=reporter)
        return run.model

    return load


def name_runs(arguments: Sequence[tuple[str | None, Path]]) -> dict[str, Path]:
    """Return the runs by the names of their models.

    A run without a name is called like its model, such as ``cnn``. Several runs of one model are
    called like the dataset and the model, such as ``bbc-cnn``, and then like the fingerprint, the
    fold and the seed if these differ.

    Args:
        arguments: Name, or None, and path of each run.

    Raises:
        RequestError: A name is invalid, or given twice.
        RunError: The configuration of a run without a name cannot be read.
    """
    parts = {path: _list_name_parts(path) for name, path in arguments if name is None}
    names = [
        _choose_name(parts[path], [*parts.values()]) if name is None else name
        for name, path in arguments
    ]
    for name, n in Counter(names).items():
        if n > 1:
            raise RequestError(f"the name {name} is given {n} times: name each run, NAME=RUN")
        if not NAME.fullmatch(name):
            raise RequestError(
                f"'{name}' is not a name of a model: use up to 100 letters, digits, '.', '_' and"
                " '-', beginning with a letter or digit, as in NAME=RUN"
            )
    return {name: path for name, (_, path) in zip(names, arguments, strict=True)}


def _list_name_parts(path: Path) -> list[str]:
    """Return the parts of a name: model, dataset, fingerprint, fold (perhaps empty) and seed."""
    config = find_finished_run(path).read_config()
    model, dataset = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "model"
        for name in (config.model.short_name.removesuffix(".py"), config.dataset.folder_name)
    )
    fold = f"fold-{config.dataset.fold}" if config.dataset.fold else ""
    return [model, dataset, config.fingerprint, fold, f"seed-{config.seed}"]


def _choose_name(own: Sequence[str], parts: Sequence[Sequence[str]]) -> str:
    """Return the name of a run, with as many parts as distinguish it from the other runs."""
    model, dataset, *details = own
    of_model = [other for other in parts if other[0] == model]
    if len(of_model) == 1:
        return model
    others = zip(*(other[2:] for other in of_model if other[1] == dataset), strict=True)
    differing = [
        detail for detail, values in zip(details, others, strict=True) if len({*values}) > 1
    ]
    return "-".join([dataset, model, *filter(None, differing)])
