"""Code and settings that must not change while a run goes on, e.g. by a ``git pull`` between two jobs.

The main process remembers both in environment variables, which all its jobs inherit, on other machines as well. A job
that finds another state is refused, since its result would be recorded as made by other code or settings than it was.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccdcgan.utils.errors import InputError

CODE, SETTINGS = "CCDCGAN_CODE", "CCDCGAN_SETTINGS"
SCRIPTS = Path(__file__).resolve().parents[2]


def code_state() -> str:
    """Return a checksum of the scripts and of the library, as they are on the disk now."""
    digest = hashlib.sha256()
    for path in sorted(SCRIPTS.rglob("*.py")):
        digest.update(f"{path.relative_to(SCRIPTS)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def settings_state(configuration: Mapping[str, Any]) -> str:
    """Return a checksum of a complete configuration without the limits of jobs, which change no result."""
    settings = {key: value for key, value in configuration.items() if key != "job_limits"}
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def remember(configuration: Mapping[str, Any]) -> None:
    """Remember the present code and configuration for the jobs of this process."""
    os.environ[CODE], os.environ[SETTINGS] = code_state(), settings_state(configuration)


def code_changed() -> bool:
    """Return whether the code has changed since the run started; False if that is not known."""
    try:
        return os.environ.get(CODE) not in (None, code_state())
    except OSError:  # a file disappears at this moment
        return True


def check_code() -> None:
    """Refuse to run a job with other code than that with which the run started.

    Raises:
        InputError: The code changed.
    """
    if code_changed():
        raise InputError(code_sentence())


def code_sentence() -> str:
    """Return what changed code means for the user, in one sentence."""
    return (
        f"the code in {SCRIPTS} changed after the run had started (a git pull or an edit?), so no further job is "
        "started with it; start the same command again: finished results are kept, and only what the change concerns "
        "is made again."
    )


def check_settings(configuration: Mapping[str, Any]) -> None:
    """Refuse to run a job with another configuration than that with which the run started.

    Jobs on other machines read the configuration files again.

    Raises:
        InputError: The configuration changed.
    """
    if os.environ.get(SETTINGS) not in (None, settings_state(configuration)):
        raise InputError(
            "a configuration file changed after the run had started, so no further job is started with it; start the "
            "same command again: finished results are kept, and only what the change concerns is made again."
        )
