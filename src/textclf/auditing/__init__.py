"""Finds problems in a dataset."""
