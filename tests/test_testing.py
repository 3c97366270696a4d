"""The contract tests for models and datasets: a small file with each mistake, and its message."""

import pytest
from support import PLUGINS

from textclf.errors import DataError, RequestError
from textclf.testing import check_dataset, check_model

pytestmark = pytest.mark.usefixtures("forget", "tensorflow")

AVERAGE = (PLUGINS / "average.py").read_text()
SCALED = (PLUGINS / "scaled.py").read_text()
BAYES = (PLUGINS / "bayes.py").read_text()
WORDS = (PLUGINS / "words.py").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scaled", "bayes"])
def test_model_that_keeps_the_contract_passes(name):
    check_model(str(PLUGINS / f"{name}.py"))


def test_overrides_change_the_model_that_is_checked(plugins):
    path = plugins / "bayes.py"
    path.write_text(
        BAYES.replace("    pipeline = ", "    assert config.alpha == 3\n    pipeline = ")
    )
    with pytest.raises(AssertionError, match=r"config\.alpha|^$"):
        check_model(str(path))
    check_model(str(path), overrides={"model.alpha": 3})


def test_invalid_search_space_is_refused(plugins):
    path = plugins / "bayes.py"
    path.write_text(BAYES + '\nSEARCH = {"model.alpha": {"low": 2, "high": 1}}\n')
    with pytest.raises(
        RequestError, match=r"SEARCH: model\.alpha: low 2 should be less than high 1"
    ):
        check_model(str(path))


def change(code, *replacements):
    """Return code with some parts replaced, each of which appears once."""
    for old, new in replacements:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


OUTPUT = 'Dense(n_labels, activation="softmax", dtype="float32")(x)'
BROKEN_MODELS = {
    "no docstring": (
        AVERAGE.partition("\n")[2],
        "it has no docstring, which is its summary",
    ),
    "other arguments": (
        change(AVERAGE, ("*, text, n_labels", "text, n_labels, seed=1")),
        "the arguments must be ['config', 'text', 'n_labels'], not ['config', 'text', 'n_labels',",
    ),
    "weights without a gradient": (
        change(SCALED, ("* self.scale * self.factor", "+ 0 * self.scale")),
        "training does not change ",
    ),
    "no weights": (
        change(
            AVERAGE,
            (
                "Embedding(text.num_words, config.embedding_dim)(tokens)",
                "Rescaling(1)(tokens[..., None])",
            ),
            (OUTPUT, OUTPUT.replace("n_labels", "n_labels, trainable=False")),
        ),
        "it has no trainable weights",
    ),
    "sigmoid": (
        change(AVERAGE, ("softmax", "sigmoid")),
        "its probabilities do not sum to 1 (difference ",
    ),
    "float32 only": (
        change(AVERAGE, ("config.embedding_dim)", "config.embedding_dim, dtype='float32')")),
        "training.precision mixed_bfloat16: its layers compute in ['float32']",
    ),
    "bfloat16 weights": (
        change(
            SCALED,
            ('name="scale")', 'name="scale", dtype=self.compute_dtype)'),
        ),
        "training.precision mixed_bfloat16: its weights are ",
    ),
    "bfloat16 output": (
        change(AVERAGE, (', dtype="float32")', ")")),
        "training.precision mixed_bfloat16: its probabilities are bfloat16",
    ),
    "unsaved state": (
        change(SCALED, ("= factor", "= __import__('random').random()")),
        "the saved model predicts differently, by ",
    ),
    "unsaved argument": (
        change(SCALED, ('super().get_config(), "factor": self.factor', "super().get_config()")),
        "it cannot be saved and loaded: TypeError: ",
    ),
    "pipeline that cannot be saved": (
        change(BAYES, ("CountVectorizer()", "CountVectorizer(preprocessor=lambda text: text)")),
        "it cannot be saved and loaded: ",
    ),
    "other arguments of fit": (
        change(BAYES, ("*, seed", "seed, text=None")),
        "the arguments must be ['config', 'dataset', 'seed'], not ['config', 'dataset', 'seed', 't",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_model_that_breaks_the_contract_fails(tmp_path, name):
    code, message = BROKEN_MODELS[name]
    path = tmp_path / "mine.py"
    path.write_text(code)
    with pytest.raises(AssertionError) as info:
        check_model(str(path))
    assert str(info.value).startswith(message)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            change(AVERAGE, ("(n_labels,", "(n_labels + 1,")),
            "build must return a keras.Model that begins with keras.Input and has output shape"
            " (None, 2), got (None, 3)",
        ),
        (
            change(
                SCALED.partition("    def get_config")[0]
                + SCALED[SCALED.index("\ndef build(config") :],
                ("Scale(2.0)", "Scale(lambda: 2.0)"),
                ("* self.factor", "* self.factor()"),
            ),
            "the network cannot be saved: Object Scale was created by passing non-serializable",
        ),
        ("import absent_library", "absent_library"),
    ],
)
def test_model_that_cannot_be_built_is_an_error_with_its_usual_message(tmp_path, code, message):
    path = tmp_path / "mine.py"
    path.write_text(code)
    with pytest.raises(RequestError) as info:
        check_model(str(path))
    assert message in str(info.value)
    assert "\n" not in str(info.value)


def test_dataset_that_keeps_the_contract_passes(plugins):
    check_dataset(str(plugins / "words.py"))
    with pytest.raises(DataError, match="leave the validation split empty"):
        check_dataset(str(plugins / "words.py"), overrides={"dataset.n_texts": 1})


SPLITS = """\"\"\"Three splits.\"\"\"
import numpy as np
from textclf import Split, TextDataset

NAMES = ("yes", "no")

def make_split(n):
    return Split.from_lists([f"text {i}" for i in range(n)], np.arange(n) % 2)

def load(config):
    return TextDataset("mine", NAMES, make_split(6), make_split(4), make_split(2))
"""
BROKEN_DATASETS = {
    "no docstring": (WORDS.partition("\n")[2], "it has no docstring, which is its summary"),
    "another text each time": (
        change(WORDS, ("{i}", "{i} {__import__('random').random()}")),
        "loading it twice gives other texts, labels or splits",
    ),
    "another order each time": (
        change(
            SPLITS,
            ("def load(config):", "def load(config):\n    global NAMES\n    NAMES = NAMES[::-1]"),
        ),
        "label_names(config) returns other names",
    ),
    "unknown key of ABOUT": (
        WORDS + "\nABOUT = {'licence': 'CC0'}\n",
        "the keys of ABOUT must be ['citation', 'download', 'license', 'source']",
    ),
    "other names": (
        WORDS + "\ndef label_names(config):\n    return ('tool', 'fruit')\n",
        "label_names(config) returns other names",
    ),
    "label name twice": (
        change(SPLITS, ('("yes", "no")', '("yes", "yes")')),
        "it needs two or more different labels: ('yes', 'yes')",
    ),
    "one label": (
        change(SPLITS, ('("yes", "no")', '("yes",)'), ("% 2", "* 0")),
        "it needs two or more different labels: ('yes',)",
    ),
    "label outside": (change(SPLITS, ("% 2", "")), "train has labels outside 0 to 1"),
    "empty split": (change(SPLITS, ("make_split(2))", "make_split(0))")), "test has no examples"),
    "too few texts": (
        change(
            SPLITS,
            (
                'Split.from_lists([f"text {i}" for i in range(n)], np.arange(n) % 2)',
                'Split(["text"], np.arange(n) % 2, np.arange(n))',
            ),
        ),
        "train has other lengths",
    ),
    "index twice": (
        change(
            SPLITS,
            (
                'Split.from_lists([f"text {i}" for i in range(n)], np.arange(n) % 2)',
                'Split(["text"] * n, np.arange(n) % 2, np.zeros(n, int))',
            ),
        ),
        "train has an index twice",
    ),
    "bytes": (change(SPLITS, ('f"text {i}"', 'b"text"')), "train: a text is not str"),
}


@pytest.mark.parametrize("name", BROKEN_DATASETS)
def test_dataset_that_breaks_the_contract_fails(tmp_path, name):
    code, message = BROKEN_DATASETS[name]
    path = tmp_path / "mine.py"
    path.write_text(code)
    with pytest.raises(AssertionError) as info:
        check_dataset(str(path))
    assert str(info.value) == message


def test_dataset_of_its_own_passes(tmp_path):
    (tmp_path / "mine.py").write_text(SPLITS)
    check_dataset(str(tmp_path / "mine.py"))


@pytest.mark.slow
def test_model_with_a_custom_activation_keeps_its_contract(tmp_path, forget):
    (tmp_path / "bump.py").write_text(CUSTOM_ACTIVATION)
    check_model(str(tmp_path / "bump.py"))


CUSTOM_ACTIVATION = '''"""A hidden layer with a custom activation."""

import keras

TAKES = "token_ids"


def bump(x):
    return keras.ops.exp(-x * x)


def build(config, *, text, n_labels):
    tokens = keras.Input((text.sequence_length,), dtype="int32")
    x = keras.layers.Embedding(text.num_words, 8)(tokens)
    x = keras.layers.Dense(8, activation=bump)(keras.layers.GlobalAveragePooling1D()(x))
    x = keras.layers.Dense(n_labels, activation="softmax", dtype="float32")(x)
    return keras.Model(tokens, x)
'''
