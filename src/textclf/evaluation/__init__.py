"""Predictions to metrics and plots."""
