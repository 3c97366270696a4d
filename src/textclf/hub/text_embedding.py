"""A TF2 SavedModel with TensorFlow Hub's interface for text embeddings, loaded from a copy.

Called with texts, it returns vectors
(https://www.tensorflow.org/hub/common_saved_model_apis/text).
"""

import contextlib
import math
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import tensorflow as tf

from textclf.errors import EmbeddingError, format_reason
from textclf.hub.handles import GRAPH_FILE
from textclf.hub.savedmodel_safety import REQUIRED, check_graph
from textclf.hub.word_vectors import TOKENS_FILE

FOLDERS = ("variables", "assets")
TF1_FILE = "tfhub_module.pb"


class TextEmbedding:
    """A text embedding, loaded from a private copy of a SavedModel.

    Args:
        source: Folder of the SavedModel.
        name: Name for messages; by default the folder.

    Attributes:
        folder: The copy, which is removed with this object.
        model: What TensorFlow loaded; it owns variables and tables.
        functions: Function for inference (False) and for training (True), often the same:
            <string>[batch] to <float32>[batch, dim]. A training function that draws random numbers,
            for dropout, is not used.
        weights: Floating-point variables that the functions use.
        dim: Numbers per text.

    Raises:
        EmbeddingError: The folder contains no such SavedModel, or a damaged or unsafe one.
    """

    def __init__(self, source: Path, name: str | None = None) -> None:
        self._name = name or str(source)
        # The source may change before the model is saved, so the copy is what is saved with it.
        self.folder = Path(tempfile.mkdtemp(prefix="textclf-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._copy(source)
        check_graph(self.folder, self._name)
        try:
            self.model = tf.saved_model.load(str(self.folder))
            self.functions = {training: self._find_function(training) for training in (False, True)}
            if _draws_random_numbers(self.functions[True]):
                # They cannot be seeded, and a run must be repeatable.
                self.functions[True] = self.functions[False]
        except EmbeddingError:
            raise
        except Exception as error:  # TensorFlow raises many classes for a damaged SavedModel.
            reason = format_reason(error).replace(str(self.folder), self._name)
            raise EmbeddingError(
                f"{self._name} cannot be loaded: {reason}; if it is damaged, delete it and download"
                " it again"
            ) from error
        self.dim = self._find_dim()
        used = {id(v): v for function in self.functions.values() for v in function.variables}
        self.weights = [variable for variable in used.values() if variable.dtype.is_floating]

    def describe_weights(self) -> list[dict[str, Any]]:
        """Return name, shape, dtype and trainability of each weight."""
        # TensorFlow Hub's interface lists trainable variables; without it, TensorFlow knows them.
        listed = getattr(self.model, "trainable_variables", None)
        ids = {id(variable) for variable in (self.weights if listed is None else listed)}
        return [
            {
                "name": variable.name.split(":")[0].replace("/", "_"),
                "shape": variable.shape.as_list(),
                "dtype": variable.dtype.name,
                # TensorFlow computes no gradient for the others, listed or not.
                "trainable": id(variable) in ids and variable.trainable,
            }
            for variable in self.weights
        ]

    def _copy(self, source: Path) -> None:
        if (source / TF1_FILE).is_file():
            raise EmbeddingError(f"{self._name} is a TF1 module; use its TF2 version: {REQUIRED}")
        try:
            shutil.copy(source / GRAPH_FILE, self.folder)
            for folder in FOLDERS:
                if (source / folder).is_dir():
                    shutil.copytree(source / folder, self.folder / folder)
        except (OSError, shutil.Error) as error:
            problem = (
                f"{self._name} is not a SavedModel, or cannot be copied: {format_reason(error)}"
            )
            raise EmbeddingError(f"{problem}; {REQUIRED}") from error

    def _find_function(self, training: bool) -> Any:
        if not callable(self.model):
            raise EmbeddingError(f"{self._name} is a SavedModel that cannot be called: {REQUIRED}")
        texts = tf.TensorSpec([None], tf.string)
        for options in ({"training": training}, {}):
            with contextlib.suppress(TypeError, ValueError):
                return self.model.__call__.get_concrete_function(texts, **options)
        raise EmbeddingError(f"{self._name} does not take texts: {REQUIRED}")

    def _find_dim(self) -> int:
        output = self.functions[False].structured_outputs
        shape = getattr(output, "shape", tf.TensorShape(None))
        if shape.rank != 2 or shape[1] is None or output.dtype != tf.float32:
            found = f"<{output.dtype.name}>{shape}" if shape.rank else type(output).__name__
            raise EmbeddingError(f"{self._name} returns {found} for texts: {REQUIRED}")
        return int(shape[1])


def _draws_random_numbers(function: Any) -> bool:
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for body in graph.library.function for node in body.node_def)]
    return any("seed2" in node.attr for node in nodes)


def describe_embedding(handle: str, folder: Path) -> dict[str, Any]:
    """Return a row about the text embedding in a folder.

    ``vocabulary_size`` is None if the embedding has no ``assets/tokens.txt``, the file in which
    TensorFlow Hub's text embeddings keep their words.

    Raises:
        EmbeddingError: The folder contains no text embedding.
    """
    embedding = TextEmbedding(folder)
    weights = embedding.describe_weights()
    tokens_path = folder / "assets" / TOKENS_FILE
    tokens = tokens_path.read_bytes().splitlines() if tokens_path.is_file() else None
    return {
        "handle": handle,
        "dim": embedding.dim,
        "vocabulary_size": None if tokens is None else len(tokens),
        "n_parameters": sum(math.prod(weight["shape"]) for weight in weights),
        "trainable": any(weight["trainable"] for weight in weights),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "folder": str(folder),
    }
