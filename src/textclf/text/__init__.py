"""Raw text to model inputs."""
