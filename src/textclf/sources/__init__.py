"""Contains one source of outside datasets per file; see ``textclf.data.loading``.

``path`` serves files and folders; any other source serves names that start with its own name and a
colon.
"""
