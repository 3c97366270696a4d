"""Labelled examples: datasets and their splits, file formats, texts on disk."""
