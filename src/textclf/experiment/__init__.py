"""Turns one configuration into one finished run."""
