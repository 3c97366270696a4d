"""Names of fruits and tools."""

import textclf

WORDS = {"fruit": ["apple", "pear", "plum", "fig"], "tool": ["saw", "nail", "file", "axe"]}


class Config(textclf.SplitConfig):
    n_texts: int = 40


def load(config):
    for i in range(config.n_texts):
        for label, words in WORDS.items():
            yield f"{words[i % 4]} and {words[i // 4 % 4]} {i}", label
