"""Average of the token embeddings, scaled by a layer of its own."""

import keras

TAKES = "token_ids"


class Scale(keras.layers.Layer):
    def __init__(self, factor, **options):
        super().__init__(**options)
        self.factor = factor

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def build(config, *, text, n_labels):
    tokens = keras.Input((text.sequence_length,), dtype="int32")
    x = keras.layers.Embedding(text.num_words, 8)(tokens)
    x = Scale(2.0)(keras.layers.GlobalAveragePooling1D()(x))
    x = keras.layers.Dense(n_labels, activation="softmax", dtype="float32")(x)
    return keras.Model(tokens, x)
