"""Modules that are copied into an export, and therefore import nothing of textclf."""
