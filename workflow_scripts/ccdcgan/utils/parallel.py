"""The same work on many items, in several processes of one machine."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from ccdcgan.utils.progress import Progress

Item, Result = TypeVar("Item"), TypeVar("Result")

FEW = 64
"""Amount of work below which starting processes costs more than it saves."""


def parallel_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    label: str,
    processes: int = 1,
    chunk: int = 1,
    weight: Callable[[Item], int] = lambda item: 1,
) -> list[Result]:
    """Return ``function`` of every item, in order, with progress under ``label``.

    chunk: items that a process takes at a time; weight: how much of the work an item is, for the progress.
    """
    progress = Progress(sum(map(weight, items)), label)
    results = []
    with ExitStack() as stack:
        made = map(function, items)
        if processes > 1 and progress.total >= FEW:
            context = multiprocessing.get_context("fork")
            pool = stack.enter_context(ProcessPoolExecutor(processes, context))
            made = pool.map(function, items, chunksize=chunk)
        for item, result in zip(items, made, strict=True):
            results.append(result)
            progress.advance(weight(item))
    return results
