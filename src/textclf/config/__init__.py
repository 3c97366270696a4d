"""Defines, reads and resolves configurations."""
