"""Explains predictions: which words of a text support a label, and which oppose it."""
