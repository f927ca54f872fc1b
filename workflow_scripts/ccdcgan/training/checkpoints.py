"""Checkpoints of a training: complete, or absent.

A training is a function of its seed and its step only. After a kill it resumes from its checkpoint and ends with the
same bits as an uninterrupted training. A process that is asked to stop (SIGTERM) saves a checkpoint first.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ccdcgan.utils.files import atomic_path
from ccdcgan.utils.interruption import defer, leave_if_asked

log = logging.getLogger(__name__)


def save_checkpoint(path: str | Path, step: int, variables: Sequence[Any], identity: str = "") -> None:
    """Write the state of a training as one .npz file.

    Args:
        path: The file.
        step: Number of steps done.
        variables: Keras or TensorFlow variables: models, optimizers, seed generators.
        identity: Fingerprint of everything that shapes the training (settings, seed, data).
            :func:`load_checkpoint` uses the file only if it is the same.

    Raises:
        Interrupted: The file was written and this process had been asked to stop.
    """
    values = [variable.numpy() if hasattr(variable, "numpy") else variable for variable in variables]
    arrays = {f"variable_{number}": np.asarray(value) for number, value in enumerate(values)}
    with atomic_path(path) as temporary:
        np.savez(temporary, step=np.int64(step), identity=np.str_(identity), **arrays)
    leave_if_asked()


def load_checkpoint(path: str | Path, variables: Sequence[Any], identity: str = "", last: int | None = None) -> int:
    """Assign a checkpoint to ``variables`` and return its step; 0 if there is no usable checkpoint.

    A file that cannot be read, or that has another identity, other variables or a step beyond ``last``, is ignored
    with a line in the log. Afterwards SIGTERM is deferred until the next checkpoint.

    Args:
        path: The file.
        variables: The variables that were given to :func:`save_checkpoint`.
        identity: Fingerprint of the present training.
        last: Number of steps of the present training; None: any.
    """
    defer()
    path = Path(path)
    if not path.exists():
        return 0
    try:
        with np.load(path, allow_pickle=False) as stored:
            step = int(stored["step"])
            arrays = [stored[f"variable_{number}"] for number in range(len(stored.files) - 2)]
            stored_identity = str(stored["identity"])
    except Exception as error:  # a damaged file costs the steps done so far, not the run
        log.warning("checkpoint %s cannot be read (%s): restarting from step 0", path, error)
        return 0
    same_shapes = [tuple(variable.shape) for variable in variables] == [array.shape for array in arrays]
    if stored_identity != identity or not same_shapes:
        log.warning("checkpoint %s belongs to other settings or data: restarting from step 0", path)
        return 0
    if last is not None and step > last:
        log.warning("checkpoint %s is at step %d, beyond the last step %d: restarting from step 0", path, step, last)
        return 0
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    log.info("resuming the training at step %d (%s)", step, path)
    return step
