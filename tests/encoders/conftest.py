"""A small preset of each family of encoders, with random weights, in KerasHub's layout."""

import functools
import io
import shutil

import pytest
from support import PRESET_WORDS, write_preset

from textclf.testing import WORDS

SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}


@functools.cache
def train_sentence_piece(**options):
    """Return a SentencePiece model of a few words, as bytes."""
    import sentencepiece

    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the apple and a pear saw nail fig fig the nail pear apple"] * 9),
        model_writer=content,
        vocab_size=60,
        hard_vocab_limit=False,
        model_type="unigram",
        minloglevel=2,
        **options,
    )
    return content.getvalue()


def make_tokenizer(family, models):
    """Return a small tokenizer of a family."""
    words = [*PRESET_WORDS, *(word for words in WORDS.values() for word in words)]
    if family in {"Bert", "DistilBert"}:
        return getattr(models, f"{family}Tokenizer")(vocabulary=words, lowercase=True)
    if family == "Roberta":
        letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", *map(chr, range(33, 127))]
        vocabulary = {letter: i for i, letter in enumerate([*letters, "th", "the"])}
        return models.RobertaTokenizer(vocabulary=vocabulary, merges=["t h", "th e"])
    special = {"unk_id": 0, "bos_id": 1, "eos_id": 2}
    if family == "Albert":
        special = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}
        special |= {"pad_piece": "<pad>", "bos_piece": "[CLS]", "eos_piece": "[SEP]"}
        special |= {"unk_piece": "<unk>", "user_defined_symbols": "[MASK]"}
    if family == "DebertaV3":
        special = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
        special |= {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]"}
        special |= {"unk_piece": "[UNK]"}
    return getattr(models, f"{family}Tokenizer")(proto=train_sentence_piece(**special))


def save_family(family, folder):
    """Write a preset of a family in KerasHub's layout."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(1)
    models = keras_hub.models
    tokenizer = make_tokenizer(family, models)
    sizes = dict(SIZES, vocabulary_size=tokenizer.vocabulary_size(), max_sequence_length=32)
    if family == "Albert":
        sizes["embedding_dim"] = 4
    if family == "DebertaV3":
        sizes["bucket_size"] = 8
    backbone = getattr(models, f"{family}Backbone")(**sizes)
    # The initial weights are so small that all texts would have nearly the same features.
    backbone.set_weights(
        [weight * 20 if weight.ndim > 1 else weight for weight in backbone.get_weights()]
    )
    preprocessor = getattr(models, f"{family}TextClassifierPreprocessor")(tokenizer)
    preprocessor.save_to_preset(str(folder))
    backbone.save_to_preset(str(folder))


@pytest.fixture(scope="session")
def family_preset(tensorflow, tmp_path_factory):
    """A function that returns the folder of a family's preset, which tests must not change."""
    root = tmp_path_factory.mktemp("families")

    def find(family):
        if not (root / family).is_dir():
            save_family(family, root / family)
        return root / family

    return find


@pytest.fixture(scope="session")
def bert(tensorflow, tmp_path_factory):
    """A small BERT in Hugging Face's layout, which tests must not change."""
    return write_preset(tmp_path_factory.mktemp("bert") / "preset")


@pytest.fixture
def copy(bert, tmp_path):
    """A copy of the small BERT, to change."""
    return shutil.copytree(bert, tmp_path / "preset")


@pytest.fixture
def find_error(tensorflow):
    """A function that loads a preset, and returns the message of its error, on one line."""
    from textclf.encoders.loading import load_tokenizer_and_features
    from textclf.errors import EmbeddingError

    def find_error(folder, sequence_length=8):
        with pytest.raises(EmbeddingError) as info:
            load_tokenizer_and_features(
                folder,
                "mine",
                sequence_length=sequence_length,
                pooling="mean",
                precision="float32",
            )
        assert "\n" not in str(info.value)
        return str(info.value)

    return find_error
