"""The HTTP server for finished runs, and its page."""
