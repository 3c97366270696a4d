"""Exports models to files that run without textclf, and sends finished runs to MLflow."""
