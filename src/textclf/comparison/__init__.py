"""Finished runs to a table."""
