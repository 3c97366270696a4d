"""Reads, writes and finds run directories."""
