"""Compares finished runs and tabulates them."""
