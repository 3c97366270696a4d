"""Average of the token embeddings."""

import keras

import textclf

TAKES = "token_ids"


class Config(textclf.ModelConfig):
    embedding_dim: int = 8


def build(config, *, text, n_labels):
    tokens = keras.Input((text.sequence_length,), dtype="int32")
    x = keras.layers.Embedding(text.num_words, config.embedding_dim)(tokens)
    x = keras.layers.GlobalAveragePooling1D()(x)
    x = keras.layers.Dense(n_labels, activation="softmax", dtype="float32")(x)
    return keras.Model(tokens, x)
