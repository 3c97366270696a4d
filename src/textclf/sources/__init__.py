"""Sources of outside data: each file is one, found by its name."""
