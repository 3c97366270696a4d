"""Trains networks and resumes interrupted training."""
