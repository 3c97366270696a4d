"""Computes metrics, calibration and plots of predictions."""
