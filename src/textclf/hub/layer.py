"""Text embeddings of TensorFlow Hub as a Keras 3 layer that trains, and is saved with the model.

Hub's own ``KerasLayer`` is a Keras 2 layer and cannot go into a Keras 3 model. This one takes any
TF2 SavedModel with the interface for text embeddings: called with texts, it returns vectors
(https://www.tensorflow.org/hub/common_saved_model_apis/text).
"""

import contextlib
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from textclf.errors import EmbeddingError

GRAPH_FILE = "saved_model.pb"
FOLDERS = ("variables", "assets")
TF1_FILE = "tfhub_module.pb"
REQUIRED = "a TF2 text embedding takes <string>[batch] and returns <float32>[batch, dim]"

# A graph is a program. The families of operations that reach files, networks, other devices or
# Python are refused before it is loaded; no text embedding needs them.
REFUSED_OPS = re.compile(
    r"Dataset|Iterator|Reader|(?<!Text)File|Checkpoint|Save|Restore|LoadAndRemap|RecordInput|Vocab"
    r"|FixedUnigram|Summar|Event|Debug|Dump|ImmutableConst|Copy(Host)?$|PyFunc|Print|Proto|Abort"
    r"|Rpc|Remote|Service|Worker|Collective|Distributed|Nccl|Send|Recv|[Ff]eed|Fdo|Library|Register"
    r"|Xla|TPU|Tpu|TRT|SparseCore|Minibatch|Calibration"
)


class TextEmbedding:
    """A text embedding, loaded from a private copy of a SavedModel.

    Args:
        source: the folder of the SavedModel.
        name: what messages call it; by default the folder.

    Attributes:
        folder: the copy, which lives as long as this object.
        model: what TensorFlow loaded; it owns variables and tables.
        functions: for inference (False) and training (True), often the same: <string>[batch] to
            <float32>[batch, dim]. One that draws random numbers, for dropout, is not used.
        weights: the floating-point variables that they use.
        dim: numbers for each text.

    Raises:
        EmbeddingError: the folder holds no such SavedModel, or one that is damaged or unsafe.
    """

    def __init__(self, source: Path, name: str | None = None) -> None:
        self._name = name or str(source)
        # What is saved with a model later has to be what was loaded now.
        self.folder = Path(tempfile.mkdtemp(prefix="textclf-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._copy(source)
        self._check_graph()
        try:
            self.model = tf.saved_model.load(str(self.folder))
            self.functions = {training: self._find_function(training) for training in (False, True)}
            if _draws_random_numbers(self.functions[True]):
                # Nobody could seed them, and a run has to be repeatable.
                self.functions[True] = self.functions[False]
        except EmbeddingError:
            raise
        except Exception as error:  # TensorFlow raises many kinds for a damaged one.
            reason = " ".join(str(error).split()).replace(str(self.folder), self._name)[:300]
            raise EmbeddingError(
                f"{self._name} cannot be loaded: {reason}; if it is damaged, remove it and get it"
                " again"
            ) from error
        self.dim = self._find_dim()
        used = {id(v): v for function in self.functions.values() for v in function.variables}
        self.weights = [variable for variable in used.values() if variable.dtype.is_floating]

    def describe_weights(self) -> list[dict[str, Any]]:
        """Return name, shape, dtype and whether it is trainable, of each weight."""
        # Hub's interface lists what may be trained; where there is no list, TensorFlow knows.
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
            raise EmbeddingError(
                f"{self._name} is a TF1 hub module; use its TF2 version: {REQUIRED}"
            )
        try:
            shutil.copy(source / GRAPH_FILE, self.folder)
            for folder in FOLDERS:
                if (source / folder).is_dir():
                    shutil.copytree(source / folder, self.folder / folder)
        except (OSError, shutil.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            problem = f"{self._name} is no SavedModel, or cannot be copied: {reason or error}"
            raise EmbeddingError(f"{problem}; {REQUIRED}") from error

    def _check_graph(self) -> None:
        """Refuse what TensorFlow would not load as TF2, and graphs that do more than compute."""
        try:
            content = (self.folder / GRAPH_FILE).read_bytes()
            graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        except DecodeError as error:
            raise EmbeddingError(
                f"{self._name} is damaged ({GRAPH_FILE}: {error}); get it again"
            ) from error
        # With no object graph, or several graphs, loading runs initializers that are not checked.
        if len(graphs) != 1 or not graphs[0].object_graph_def.nodes:
            raise EmbeddingError(f"{self._name} is a SavedModel of TF1: {REQUIRED}")
        if refused := sorted(filter(REFUSED_OPS.search, _list_ops(graphs[0]))):
            raise EmbeddingError(
                f"{self._name} is refused: its graph runs {refused[0]}, which no text embedding"
                " needs and which may reach files, a network or code"
            )

    def _find_function(self, training: bool) -> Any:
        if not callable(self.model):
            raise EmbeddingError(f"{self._name} is a SavedModel that cannot be called: {REQUIRED}")
        texts = tf.TensorSpec([None], tf.string)
        for options in ({"training": training}, {}):
            with contextlib.suppress(TypeError, ValueError):
                return self.model.__call__.get_concrete_function(texts, **options)
        raise EmbeddingError(f"{self._name} takes no texts: {REQUIRED}")

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


def _list_ops(graph: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    """Yield the operations of all functions that loading or calling the SavedModel can run.

    The functions that TensorFlow adds to every SavedModel to save it are not among them.
    """
    library = graph.graph_def.library
    functions = {function.signature.name: function for function in library.function}
    names = list(graph.object_graph_def.concrete_functions)
    names += [g.gradient_func for g in (*library.gradient, *library.registered_gradients)]
    done: set[str] = set()
    while names:
        name = names.pop()
        if name in done or name not in functions:
            continue
        done.add(name)
        for node in functions[name].node_def:
            yield node.op
            names.append(node.op)  # An operation may be the name of a function.
            for attribute in node.attr.values():
                names += [f.name for f in (attribute.func, *attribute.list.func)]


@keras.saving.register_keras_serializable("textclf")
class HubEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Turns raw text into vectors by a text embedding, whose files are saved with the model.

    Args:
        dim: numbers for each text.
        weights: name, shape, dtype and whether it is trainable, of each weight of the embedding.
        options: Keras's own; ``trainable`` decides whether training moves the trainable weights.
    """

    def __init__(
        self, *, dim: int, weights: Sequence[Mapping[str, Any]] = (), **options: Any
    ) -> None:
        super().__init__(**options)
        self.dim = dim
        self._weight_options = [dict(weight) for weight in weights]
        self.embedding_weights = [
            self.add_weight(**weight, initializer="zeros") for weight in self._weight_options
        ]
        self._embedding: TextEmbedding | None = None
        self._problem = "the model holds no text embedding"

    @classmethod
    def from_folder(cls, folder: Path, *, trainable: bool) -> "HubEmbedding":
        """Make a layer of the SavedModel in a folder.

        Raises:
            EmbeddingError: it is no text embedding.
        """
        embedding = TextEmbedding(folder)
        weights = embedding.describe_weights()
        layer = cls(dim=embedding.dim, weights=weights, trainable=trainable, name="embedding")
        layer._connect(embedding)
        return layer

    def _connect(self, embedding: TextEmbedding) -> None:
        """Let Keras's variables be those that the graph of the embedding reads."""
        for variable, own in zip(self.embedding_weights, embedding.weights, strict=True):
            variable._initialize(own)  # Keras has no public way to put a tf.Variable in place.
        self._embedding = embedding
        self._model = embedding.model  # Keras tracks its tables, so that a model can be exported.

    @property
    def _connected(self) -> TextEmbedding:
        if self._embedding is None:
            raise EmbeddingError("the layer has no graph yet: load it with keras.models.load_model")
        return self._embedding

    def call(self, texts: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Embed <string>[batch] as <float32>[batch, dim]."""
        return self._connected.functions[bool(training) and self.trainable](texts)

    def compute_output_spec(self, texts: Any, training: bool = False) -> keras.KerasTensor:  # noqa: ARG002
        """Describe the output to Keras, which cannot trace strings."""
        return keras.KerasTensor((*texts.shape, self.dim), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; the graph is an asset, and the weights are saved by Keras."""
        return {**super().get_config(), "dim": self.dim, "weights": self._weight_options}

    def save_assets(self, folder: str) -> None:
        """Write the SavedModel as it was loaded; Keras calls it when the model is saved."""
        shutil.copytree(self._connected.folder, folder, dirs_exist_ok=True)

    def load_assets(self, folder: str | None) -> None:
        """Load the SavedModel, and give it the weights that Keras has read before."""
        if folder is None:
            raise EmbeddingError(self._problem)
        try:
            embedding = TextEmbedding(Path(folder), "the text embedding in the model")
        except EmbeddingError as error:
            self._problem = str(error)  # Keras tries again without a folder, and shows that error.
            raise
        for variable, own in zip(self.embedding_weights, embedding.weights, strict=True):
            own.assign(variable.value)
        self._connect(embedding)
