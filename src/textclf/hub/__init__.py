"""Makes TensorFlow Hub text embeddings and word vectors Keras 3 layers."""
