"""Files: whole or not at all, checksums, cache, downloads, limits."""
