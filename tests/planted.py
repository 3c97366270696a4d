"""Texts in which one word decides the label."""

import random

PLANTED = {"word40": "stripes", "word50": "stones", "word60": "clouds"}
"""Label of the texts that contain a word; the others have the label plain."""

OVERRIDES = {
    "text.num_words": 100,
    "text.sequence_length": 14,  # So that the pooling of cnn-lstm drops no position.
    "training.epochs": 4,
    "training.batch_size": 16,
    "training.learning_rate": 0.01,
    "training.refit": False,
}


def make_planted_rows(n_rows, planted=PLANTED):
    """Return texts of 7 or 8 words, which the default text embedding of the tests knows."""
    rng = random.Random(5)
    rows = []
    for i in range(n_rows):
        words = rng.choices([f"word{n}" for n in range(30)], k=7)
        word, label = [*planted.items(), (None, "plain")][i % (len(planted) + 1)]
        if word:
            words.insert(rng.randrange(8), word)
        rows.append((" ".join(words), label))
    return rows
