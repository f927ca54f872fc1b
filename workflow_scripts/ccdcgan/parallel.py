"""The same work on many items, in several processes of one machine."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from ccdcgan.progress import track

Item, Result = TypeVar("Item"), TypeVar("Result")

FEW = 64
"""Items below which starting processes costs more than it saves."""


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], label: str, processes: int = 1, chunk: int = 1
) -> list[Result]:
    """Return ``function`` of every item, in order, with progress under ``label``; ``chunk`` items go out at a time."""
    if processes < 2 or len(items) < FEW:
        return list(track(map(function, items), len(items), label))
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        return list(track(pool.map(function, items, chunksize=chunk), len(items), label))
