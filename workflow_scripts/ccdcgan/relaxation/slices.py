"""The batches of a structure set: slices i::n of it, which no engine is needed to cut or to gather."""

from collections.abc import Sequence
from typing import TypeVar

from ccdcgan.utils.errors import InputError

Item = TypeVar("Item")


def slice_of(items: Sequence[Item], batch: int, n_batches: int) -> list[Item]:
    """Return the items of one batch: every ``n_batches``-th from number ``batch`` (0 to n_batches - 1)."""
    if not 0 <= batch < n_batches:
        raise InputError(f"batch {batch} is not one of 0 to {n_batches - 1}; see relaxation.batches.")
    return list(items[batch::n_batches])


def gather(slices: Sequence[Sequence[Item]]) -> list[Item]:
    """Return the items of all batches, batch 0 first, in the order they had before :func:`slice_of`.

    Raises InputError if the lengths cannot come from one list, as when a batch is left over from another run.
    """
    total = sum(map(len, slices))
    expected = [len(range(batch, total, len(slices))) for batch in range(len(slices))]
    found = [len(items) for items in slices]
    if found != expected:
        raise InputError(
            f"the batches hold {found} crystals, but {total} cut into {len(slices)} make {expected}; "
            "delete the relaxed batches and run again."
        )
    return [slices[number % len(slices)][number // len(slices)] for number in range(total)]
