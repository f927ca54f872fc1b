"""Application of a function to many items in several processes of one machine."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from ccdcgan.utils.machine import worker_processes
from ccdcgan.utils.progress import Progress

Item, Result = TypeVar("Item"), TypeVar("Result")

FEW = 64
"""Amount of work below which starting processes takes longer than it saves."""


def parallel_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    label: str,
    processes: int = 1,
    chunk: int = 1,
    weight: Callable[[Item], int] = lambda item: 1,
) -> list[Result]:
    """Return the result of a function for every item, in order, and log progress.

    Args:
        function: Function of one item.
        items: Items.
        label: Label of the progress.
        processes: Number of processes.
        chunk: Number of items that a process takes at a time.
        weight: Amount of work of an item, for the progress.
    """
    progress = Progress(sum(map(weight, items)), label)
    results = []
    with ExitStack() as stack:
        computed = map(function, items)
        context = worker_processes() if processes > 1 and progress.total >= FEW else None
        if context is not None:
            pool = stack.enter_context(ProcessPoolExecutor(processes, context))
            computed = pool.map(function, items, chunksize=chunk)
        for item, result in zip(items, computed, strict=True):
            results.append(result)
            progress.advance(weight(item))
    return results
