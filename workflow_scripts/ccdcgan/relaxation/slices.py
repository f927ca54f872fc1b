"""The batches of a structure set: batch i of n contains the items i, i + n, i + 2 n, ... No engine is needed here."""

from collections.abc import Sequence
from typing import TypeVar

from ccdcgan.utils.errors import InputError

Item = TypeVar("Item")


def slice_of(items: Sequence[Item], batch: int, n_batches: int) -> list[Item]:
    """Return the items of one batch.

    Args:
        items: Items of all batches.
        batch: Number of the batch, 0 to n_batches - 1.
        n_batches: Number of batches.

    Raises:
        InputError: If there is no batch of that number.
    """
    if not 0 <= batch < n_batches:
        raise InputError(
            f"batch {batch} is not one of 0 to {n_batches - 1}; the number of batches is set by relaxation.jobs for "
            "the database, by evaluation.jobs for candidates and by verify.jobs for a verification."
        )
    return list(items[batch::n_batches])


def gather(slices: Sequence[Sequence[Item]]) -> list[Item]:
    """Return the items of all batches in the order they had before :func:`slice_of`.

    Args:
        slices: Items of every batch, batch 0 first.

    Raises:
        InputError: If the lengths are not those of slices of one list, as when a batch is left over from another run.
    """
    total = sum(map(len, slices))
    expected = [len(range(batch, total, len(slices))) for batch in range(len(slices))]
    found = [len(items) for items in slices]
    if found != expected:
        raise InputError(
            f"the batches contain {found} crystals, but {total} crystals in {len(slices)} batches should be "
            f"{expected}; rename the folder of the relaxed batches and run again."
        )
    return [slices[number % len(slices)][number // len(slices)] for number in range(total)]
