"""Contains one built-in dataset per file, found by its name; see ``textclf.data.loading``."""
