"""Writes files atomically; provides checksums, arrays, the cache, downloads and limits."""
