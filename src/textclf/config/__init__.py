"""What to run: the schema of a configuration, YAML files, resolution."""
