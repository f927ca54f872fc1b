"""What every training shares: whole checkpoints, numerical precision, repeatability.

A training is a function of its seed and its step only. A run that was killed goes on from its checkpoint and
ends with the same bits as one that was not. One that is asked to end (SIGTERM) saves a checkpoint first.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path
from ccdcgan.utils.hashing import fingerprint
from ccdcgan.utils.interruption import defer, leave_if_asked

log = logging.getLogger(__name__)


def save_checkpoint(path: str | Path, step: int, variables: Sequence[Any], identity: str = "") -> None:
    """Write ``variables`` (Keras or TensorFlow; models, optimizers, seed generators) and ``step`` as one
    .npz.

    identity: fingerprint of all that shapes the training (settings, seed, data); :func:`load_checkpoint`
    takes the file only if it is the same. Raises Interrupted afterwards if this process was asked to end.
    """
    values = [variable.numpy() if hasattr(variable, "numpy") else variable for variable in variables]
    arrays = {f"variable_{number}": np.asarray(value) for number, value in enumerate(values)}
    with atomic_path(path) as temporary:
        np.savez(temporary, step=np.int64(step), identity=np.str_(identity), **arrays)
    leave_if_asked()


def load_checkpoint(path: str | Path, variables: Sequence[Any], identity: str = "", last: int | None = None) -> int:
    """Assign the checkpoint at ``path`` to ``variables`` and return its step; 0 if there is none that fits.

    A file of another identity, number or shape of variables, of a step past the ``last``, or one that cannot be read,
    is left alone with a line in the log and the training starts anew. From here on SIGTERM waits for the next one.
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
    except Exception as error:  # a damaged file costs the training done so far, not the run
        log.warning("checkpoint %s cannot be read (%s): training starts anew", path, error)
        return 0
    same_shapes = [tuple(variable.shape) for variable in variables] == [array.shape for array in arrays]
    if stored_identity != identity or not same_shapes:
        log.warning("checkpoint %s is of other settings or data: training starts anew", path)
        return 0
    if last is not None and step > last:
        log.warning("checkpoint %s is of step %d, past the last one, %d: training starts anew", path, step, last)
        return 0
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    log.info("training goes on from step %d (%s)", step, path)
    return step


def training_identity(*parts: Any, xla: bool) -> str:
    """Return the fingerprint of all that shapes a training; ``xla`` counts where it is on."""
    return fingerprint([*parts, *["xla"] * xla])


def precision_policy(name: str) -> str:
    """Return the Keras dtype policy for the config's ``precision``.

    ``auto`` is mixed_bfloat16 on a GPU of compute capability >= 8 or, without a GPU, on a processor with
    bfloat16 arithmetic (avx512_bf16 or amx_bf16), else float32. Raises InputError for an unknown name.
    """
    allowed = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
    if name not in allowed:
        raise InputError(f"precision is {name!r}; allowed are {', '.join(allowed)}.")
    if name != "auto":
        return name
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "mixed_bfloat16" if capability >= (8, 0) else "float32"
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:  # not Linux
        return "float32"
    return "mixed_bfloat16" if flags & {"avx512_bf16", "amx_bf16"} else "float32"


def set_determinism(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and ask TensorFlow for operations that repeat bit for bit."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
