"""Finds segments of a split, such as long texts, on which a model is significantly weaker.

A small decision tree is fitted on the errors of one half of the examples. Its leaves are measured
on the other half, because the tree has chosen them for their errors.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.data.text_store import BLOCK_SIZE
from textclf.evaluation.metrics import FloatArray, IntArray, accuracy_interval
from textclf.text.tokens import normalize_text

PROPERTIES = {
    "words": "{:,.0f}",
    "digits": "{:.1%}",
    "capital letters": "{:.1%}",
    "unknown words": "{:.1%}",
}
"""Properties of a text, and how a limit of each is written."""

DECIMALS = (0, 3, 3, 3)
"""Decimals of the limits; a segment is measured with the limits that are shown."""

MAX_DEPTH = 3
MIN_EXAMPLES = 30
"""Examples of a leaf in the half that the tree is fitted on, at least."""

MIN_CHI_SQUARED = 15.0
"""Chi-squared statistic of a split and the errors, at least. By chance, even the best of many
splits seldom has it, so that one real segment is not cut into several."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Condition:
    """A limit of a property.

    Attributes:
        position: Position of the property in `PROPERTIES`.
        is_above: Whether the property is larger than the limit; otherwise it is at most the limit.
        limit: The limit.
    """

    position: int
    is_above: bool
    limit: float

    def __str__(self) -> str:
        written = [*PROPERTIES.values()][self.position].format(self.limit)
        return f"{'more than' if self.is_above else 'at most'} {written}"

    def apply(self, properties: FloatArray) -> Mask:
        """Return which texts meet the condition, <bool>[texts]."""
        values = properties[:, self.position]
        return np.asarray(values > self.limit if self.is_above else values <= self.limit)


@dataclass(frozen=True)
class WeakSegment:
    """Examples with a significantly lower accuracy than the other ones.

    Attributes:
        description: What its texts have in common.
        n_examples: Number of its examples in the half that it is measured on.
        accuracy: Accuracy on these.
        interval: Its 95% confidence interval, low and high.
        other_accuracy: Accuracy on the other examples of that half.
        positions: <int64>[n_examples], positions of the examples in the split.
    """

    description: str
    n_examples: int
    accuracy: float
    interval: tuple[float, float]
    other_accuracy: float
    positions: IntArray


def measure_texts(texts: Sequence[str], training_texts: Sequence[str]) -> FloatArray:
    """Return the `PROPERTIES` of texts, <float64>[texts, properties].

    The last three are fractions: of the characters that are not white space, and of the words. An
    unknown word appears in no training text.
    """
    known: set[bytes] = set()
    for words, _ in _split_blocks(training_texts):
        known.update(words)
    n_words, n_unknown = [], []
    for words, lengths in _split_blocks(texts):
        unknown = np.array([0, *(word not in known for word in words)]).cumsum()
        n_words.append(lengths)
        n_unknown.append(np.diff(unknown[np.cumsum([0, *lengths])]))
    characters = np.array([_count_characters(text) for text in texts]).reshape(-1, 3)
    all_words = np.concatenate([np.empty(0), *n_words])
    columns = [
        all_words,
        *(characters[:, 1:] / np.maximum(characters[:, :1], 1)).T,
        np.concatenate([np.empty(0), *n_unknown]) / np.maximum(all_words, 1),
    ]
    return np.stack(columns, axis=1)


def find_weak_segments(
    properties: FloatArray, correct: Mask, *, seed: int = 0
) -> list[WeakSegment]:
    """Return the segments whose 95% CI is below the accuracy on the other examples.

    Args:
        properties: <float64>[examples, properties], from `measure_texts`.
        correct: <bool>[examples], whether each prediction is correct.
        seed: Seed of the choice of the two halves.

    Returns:
        The weakest segment first; empty if there are too few examples.
    """
    order = np.random.default_rng(seed).permutation(len(correct))
    fitted, measured = order[: len(order) // 2], np.sort(order[len(order) // 2 :])
    found = [
        _measure(conditions, properties, correct, measured)
        for conditions in _find_leaves(properties[fitted], ~correct[fitted])
    ]
    return sorted(
        (
            segment
            for segment in found
            if segment is not None and segment.interval[1] < segment.other_accuracy
        ),
        key=lambda segment: segment.accuracy,
    )


def _measure(
    conditions: Sequence[Condition], properties: FloatArray, correct: Mask, measured: IntArray
) -> WeakSegment | None:
    """Measure a segment on some positions; None if all or none of them are in it."""
    mask = np.all([condition.apply(properties[measured]) for condition in conditions], axis=0)
    inside, outside = correct[measured[mask]], correct[measured[~mask]]
    if not len(inside) or not len(outside):
        return None
    return WeakSegment(
        description=_describe(conditions),
        n_examples=len(inside),
        accuracy=float(inside.mean()),
        interval=accuracy_interval(int(inside.sum()), len(inside)),
        other_accuracy=float(outside.mean()),
        positions=measured[mask],
    )


def _describe(conditions: Sequence[Condition]) -> str:
    """Return conditions in words, such as "more than 20 and at most 50 words"."""
    parts = []
    for position, name in enumerate(PROPERTIES):
        limits = [condition for condition in conditions if condition.position == position]
        if limits:
            limits.sort(key=lambda condition: not condition.is_above)
            parts.append(f"{' and '.join(map(str, limits))} {name}")
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _find_leaves(properties: FloatArray, incorrect: Mask) -> list[list[Condition]]:
    """Fit the tree on errors, and return the conditions of each leaf."""
    from sklearn.tree import DecisionTreeClassifier

    if len(incorrect) < 2 * MIN_EXAMPLES:
        return []
    # A split of n examples with chi-squared statistic x decreases their Gini impurity 2p(1 - p) by
    # the fraction x / n.
    impurity = 2 * incorrect.mean() * (1 - incorrect.mean())
    tree = DecisionTreeClassifier(
        max_depth=MAX_DEPTH,
        min_samples_leaf=MIN_EXAMPLES,
        min_impurity_decrease=impurity * MIN_CHI_SQUARED / len(incorrect),
        random_state=0,
    )
    nodes = tree.fit(properties, incorrect).tree_
    leaves: list[list[Condition]] = []

    def visit(node: int, path: dict[tuple[int, bool], float]) -> None:
        if nodes.children_left[node] < 0:
            leaves.append([Condition(*key, limit) for key, limit in path.items()])
            return
        position = int(nodes.feature[node])
        scale = 10 ** DECIMALS[position]
        limit = int(nodes.threshold[node] * scale) / scale  # Rounded down.
        # A limit nearer to the leaf replaces one of the same property and side.
        visit(nodes.children_left[node], {**path, (position, False): limit})
        visit(nodes.children_right[node], {**path, (position, True): limit})

    visit(0, {})
    return [conditions for conditions in leaves if conditions]


def _split_blocks(texts: Sequence[str]) -> Iterable[tuple[list[bytes], IntArray]]:
    """Yield the words of blocks of texts, and the number of words of each text."""
    import tensorflow as tf

    from textclf.text.tokenizer import tokenize

    for start in range(0, len(texts), BLOCK_SIZE):
        block = [*map(normalize_text, texts[start : start + BLOCK_SIZE])]
        words = tokenize(tf.constant(block))
        yield words.flat_values.numpy().tolist(), words.row_lengths().numpy()


def _count_characters(text: str) -> tuple[int, int, int]:
    """Return the number of characters, of digits and of capital letters, without white space."""
    return len(re.sub(r"\s", "", text)), _count(str.isdecimal, text), _count(str.isupper, text)


def _count(test: Callable[[str], Any], text: str) -> int:
    return sum(map(test, text))
