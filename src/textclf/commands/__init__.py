"""Contains one command per file, a click command called ``command``, found by the file name."""
