"""Represents labeled examples in splits, in memory and on disk."""
