"""The error of a configuration key, and how values and keys are written in sentences."""

from typing import Any

import yaml

from ccdcgan.utils.errors import InputError

Path = tuple[str | int, ...]
"""Keys and list positions that lead to a value, e.g. ("relaxation", "mlip", "models", 0)."""


class KeyProblem(InputError):
    """A key or value that is not allowed.

    Attributes:
        path: Keys that lead to the value.
    """

    def __init__(self, path: Path, text: str):
        super().__init__(text)
        self.path = path


def dotted(path: Path) -> str:
    """Return a path as sentences name it, e.g. relaxation.mlip.models.0."""
    return ".".join(map(str, path))


def problem(path: Path, found: Any, text: str) -> KeyProblem:
    """Return the error "config key KEY is FOUND; TEXT"."""
    return KeyProblem(path, f"config key {dotted(path)} is {shown(found)}; {text}")


def shown(value: Any, most: int = 120) -> str:
    """Return a value for a sentence, on one line and shortened to ``most`` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[:most]}..."


def in_yaml(value: Any) -> str:
    """Return a value as one writes it in a configuration file, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def in_file(path: Path, value: Any) -> str:
    """Return how to write a key in a configuration file, e.g. ``gan: {steps: 1000}``."""
    first, *others = [str(part) for part in path if not isinstance(part, int)]
    for part in reversed(others):
        value = {part: value}
    return f"{first}: {in_yaml(value)}"


def in_command(path: Path, value: Any) -> str:
    """Return how to write a key on the command line, e.g. ``--config gan="{steps: 1000}"``."""
    first, text = in_file(path, value).split(": ", 1)
    plain = text.replace("-", "").replace(".", "").replace("_", "").isalnum()
    return f"--config {first}={text}" if plain else f'--config {first}="{text}"'


def both_ways(path: Path, value: Any) -> str:
    """Return how to write a key in a file and on the command line."""
    return f"write {in_file(path, value)} in a file, or {in_command(path, value)}"
