"""TensorFlow Hub text embeddings and word vectors as Keras 3 layers."""
