"""What ``build`` of a model in a Python file may return."""

import pytest
from support import PLUGINS

from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.errors import RequestError
from textclf.models._build import build_model, find_fit

pytestmark = pytest.mark.usefixtures("forget", "tensorflow")

AVERAGE = (PLUGINS / "average.py").read_text()


def configure(path, code, **values):
    path.write_text(code)
    overrides = {"model.name": str(path), **values}
    tree = {"dataset": {"name": "bbc"}, "text": {"num_words": 20, "sequence_length": 4}}
    return resolve(tree, [Override(key, value, key) for key, value in overrides.items()])


def build(path, code, **values):
    return build_model(configure(path, code, **values), n_labels=3)


def test_network_is_built_with_its_keys_and_the_precision(tmp_path):
    import keras

    values = {"model.embedding_dim": 5, "training.precision": "mixed_bfloat16"}
    built = build(tmp_path / "average.py", AVERAGE, **values)
    assert (built.takes, built.encoder) == ("token_ids", None)
    assert built.network.count_params() == 20 * 5 + 5 * 3 + 3
    assert [layer.compute_dtype for layer in built.network.layers[1:]] == [
        "bfloat16",
        "bfloat16",
        "float32",
    ]
    assert keras.config.dtype_policy().name == "float32"


def test_precision_is_restored_after_an_error(tmp_path):
    import keras

    code = "TAKES = 'text'\ndef build(config, *, text, n_labels):\n    raise LookupError"
    with pytest.raises(RequestError, match=r"mine\.py line 3: LookupError$"):
        build(tmp_path / "mine.py", code, **{"training.precision": "mixed_bfloat16"})
    assert keras.config.dtype_policy().name == "float32"


TEXT = """
import keras
TAKES = "text"

def build(config, *, text, n_labels):
    texts = keras.Input((), dtype="string")
    encoder = keras.layers.TextVectorization(output_mode="multi_hot", vocabulary=["a", "b"])
    features = keras.Input((3,))
    network = keras.Model(features, keras.layers.Dense(n_labels, activation="softmax")(features))
    return RETURNED
"""


@pytest.mark.parametrize("returned", ["encoder, network", "None, network"])
def test_model_of_text_returns_an_encoder_and_a_network(tmp_path, returned):
    built = build(tmp_path / "mine.py", TEXT.replace("RETURNED", returned))
    assert built.takes == "text"
    assert (built.encoder is None) == returned.startswith("None")
    assert built.network.output_shape == (None, 3)


@pytest.mark.parametrize(
    ("returned", "given"),
    [("network", "Functional"), ("encoder, network, 1", "tuple"), ("None", "NoneType")],
)
def test_model_of_text_that_returns_something_else_is_refused(tmp_path, returned, given):
    path = tmp_path / "mine.py"
    with pytest.raises(RequestError) as info:
        build(path, TEXT.replace("RETURNED", returned))
    assert str(info.value) == (
        f"{path}: build must return an encoder or None, and a network, because TAKES is text; got"
        f" {given}"
    )


@pytest.mark.parametrize(
    ("returned", "given"),
    [
        ("None", "NoneType"),
        ("keras.Model(tokens, x), tokens", "tuple"),
        ("keras.Model(tokens, [x, x])", "[(None, 3), (None, 3)]"),
        ("keras.Model(tokens, keras.layers.Dense(1)(x))", "(None, 1)"),
        ("keras.Sequential([keras.layers.Dense(n_labels)])", "Sequential"),
    ],
)
def test_network_with_another_output_is_refused(tmp_path, returned, given):
    path = tmp_path / "average.py"
    with pytest.raises(RequestError) as info:
        build(path, AVERAGE.replace("keras.Model(tokens, x)", returned))
    assert str(info.value) == (
        f"{path}: build must return a keras.Model that begins with keras.Input and has output shape"
        f" (None, 3), got {given}"
    )


def test_network_that_cannot_be_saved_is_refused_before_it_is_trained(tmp_path):
    path = tmp_path / "average.py"
    layer = """class Layer(keras.layers.Layer):
    def __init__(self, function):
        super().__init__()

    def call(self, x):
        return x


"""
    code = AVERAGE.replace("def build(", f"{layer}def build(")
    with pytest.raises(RequestError) as info:
        build(path, code.replace("keras.Model(tokens, x)", "keras.Model(tokens, Layer(print)(x))"))
    assert str(info.value) == (
        f"{path}: the network cannot be saved: Object Layer was created by passing"
        " non-serializable argument values in `__init__()`, and therefore the object must override"
        " `get_config()` in order to be serializable"
    )


def test_model_is_a_network_or_has_a_function_fit(tmp_path):
    assert find_fit(configure(tmp_path / "average.py", AVERAGE).model) is None
    bayes = configure(tmp_path / "bayes.py", (PLUGINS / "bayes.py").read_text()).model
    assert find_fit(bayes).__module__.startswith("textclf_code_")


def test_network_that_returns_no_probabilities_is_refused_before_training(tmp_path):
    code = """
import keras

TAKES = "token_ids"

def build(config, *, text, n_labels):
    tokens = keras.Input((text.sequence_length,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(text.num_words, 2)(tokens))
    return keras.Model(tokens, keras.layers.Dense(n_labels, bias_initializer="ones")(x))
"""
    with pytest.raises(RequestError, match="build must return probabilities, not negative and"):
        build(tmp_path / "mine.py", code)


def test_what_code_prints_goes_to_standard_error(tmp_path, capsys):
    code = (
        "print('loaded')\nTAKES = 'text'\ndef build(config, *, text, n_labels):\n    print('built')"
    )
    with pytest.raises(RequestError, match="build must return an encoder or None"):
        build(tmp_path / "mine.py", code)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "loaded\nbuilt\n")
