"""Networks applied to many inputs, in batches that suit the device."""

import keras
import numpy as np
import tensorflow as tf

ROUNDED = 8
"""The last batch is padded to a multiple of this, so that few shapes occur."""


def uses_gpu() -> bool:
    """Return whether this process sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def batch_of(grid: int) -> int:
    """Return the number of voxels of ``grid``^3 that a convolutional network processes together."""
    memory, most = (2**25, 4096) if uses_gpu() else (2**19, 128)
    return int(np.clip(memory // grid**3, 32, most))


def run_in_batches(model: keras.Model, inputs: np.ndarray, batch: int) -> np.ndarray:
    """Return the outputs of a model, float32, for many inputs.

    Args:
        model: The model.
        inputs: Shape (n, ...).
        batch: Maximum number of inputs in one call.
    """
    outputs = np.empty((len(inputs), *model.output_shape[1:]), np.float32)
    for start in range(0, len(inputs), batch):
        part = inputs[start : start + batch]
        padding = [(0, min(-len(part) % ROUNDED, batch - len(part)))] + [(0, 0)] * (inputs.ndim - 1)
        padded = np.pad(part, padding) if padding[0][1] else part
        outputs[start : start + batch] = np.asarray(model.predict_on_batch(padded))[: len(part)]
    return outputs
