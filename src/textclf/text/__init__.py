"""Turns raw text into model inputs."""
