"""Switches off what other libraries send about their use; textclf itself sends nothing."""

import os

VARIABLES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and hf_xet, which transfers its files.
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables and the values that switch telemetry off."""


def switch_off_telemetry() -> None:
    """Set each environment variable that the user has not set.

    It must run before one of the libraries is imported, because some read their variable only then.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
