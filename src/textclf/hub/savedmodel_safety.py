"""Refuses SavedModels whose graph could do more than compute a text embedding.

A graph is a program, and TensorFlow runs parts of it when it is loaded.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from textclf.errors import EmbeddingError
from textclf.hub.handles import GRAPH_FILE

REQUIRED = "a TF2 text embedding takes <string>[batch] and returns <float32>[batch, dim]"

# Families of operations that reach files, networks, other devices or Python; no text embedding
# needs them.
REFUSED_OPS = re.compile(
    r"Dataset|Iterator|Reader|(?<!Text)File|Checkpoint|Save|Restore|LoadAndRemap|RecordInput|Vocab"
    r"|FixedUnigram|Summar|Event|Debug|Dump|ImmutableConst|Copy(Host)?$|PyFunc|Print|Proto|Abort"
    r"|Rpc|Remote|Service|Worker|Collective|Distributed|Nccl|Send|Recv|[Ff]eed|Fdo|Library|Register"
    r"|Xla|TPU|Tpu|TRT|SparseCore|Minibatch|Calibration"
)


def check_graph(folder: Path, name: str) -> None:
    """Refuse a SavedModel that is not TF2, or whose graph does more than compute.

    Args:
        folder: Folder of the SavedModel.
        name: Name of the embedding, for messages.

    Raises:
        EmbeddingError: The SavedModel is refused or damaged.
    """
    try:
        content = (folder / GRAPH_FILE).read_bytes()
        graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    except DecodeError as error:
        raise EmbeddingError(
            f"{name} is damaged ({GRAPH_FILE}: {error}); download it again"
        ) from error
    # Without an object graph, or with several graphs, TensorFlow runs initializers that the check
    # does not see.
    if len(graphs) != 1 or not graphs[0].object_graph_def.nodes:
        raise EmbeddingError(f"{name} is a TF1 SavedModel: {REQUIRED}")
    if refused := sorted(filter(REFUSED_OPS.search, _list_ops(graphs[0]))):
        raise EmbeddingError(
            f"{name} is refused: its graph contains the operation {refused[0]}, which no text"
            " embedding needs and which may access files, a network or code"
        )


def _list_ops(graph: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    """Yield the operations of all functions that loading or calling the SavedModel can run.

    This leaves out the functions that TensorFlow adds to every SavedModel to save it.
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
            names.append(node.op)  # The name of an operation may be that of a function.
            for attribute in node.attr.values():
                names += [f.name for f in (attribute.func, *attribute.list.func)]
