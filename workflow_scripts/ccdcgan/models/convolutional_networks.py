"""Convolutional networks on crystal graphs: generator (S3), discriminator (S4) and constraint (S5).

The layers are those of Long et al., supplementary tables S3 to S5. A crystal graph has the shape (side, side, 1) and
values in [-1, 1]; side is a multiple of 4. For a binary system it is 28, the generator has 1,483,393 parameters, the
discriminator 393,729 and the constraint 4,995,457. All are built in float32 with weights from explicit seeds;
:func:`in_precision` returns a copy that computes in a lower precision.
"""

import keras
import tensorflow as tf

from ccdcgan.utils.errors import InputError
from ccdcgan.utils.seeds import derive_seed

LEAK = 0.2
"""Slope of LeakyReLU for negative arguments."""
DROPOUT = 0.25
BATCH_NORM_MOMENTUM = 0.8
OUTPUT = "output"
"""Layers whose name starts with this stay in float32 whatever the precision of the others."""


def build_generator(side: int, noise: int, seed: int, folded: bool = False) -> keras.Model:
    """Return the generator: noise (batch, noise), N(0, 1), to crystal graphs (batch, side, side, 1), with tanh.

    Args:
        side: Side of the crystal graph.
        noise: Length of the noise vector.
        seed: Seed of the initial weights.
        folded: Whether to use :class:`UpsampledConvolution` for training: the same function with the same weights in
            less than half the operations. A model to be saved has standard layers only.

    Raises:
        InputError: The side is not a multiple of 4.
    """
    _check_side(side)
    layers = keras.layers
    start = side // 4
    stack = [
        layers.Dense(start * start * 128, activation="relu", kernel_initializer=_glorot(seed, "dense")),
        layers.Reshape((start, start, 128)),
    ]
    for number, filters in enumerate((128, 64)):
        if folded:
            kernel = _glorot(seed, f"generator-{number}")
            stack.append(UpsampledConvolution(filters, 3, padding="same", kernel_initializer=kernel))
        else:
            stack += [layers.UpSampling2D(), _convolution(filters, 1, seed, f"generator-{number}")]
        stack += [
            layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM),
            layers.ReLU(),
        ]
    stack += [
        _convolution(1, 1, seed, "generator-output", name="output_convolution"),
        layers.Activation("tanh", dtype="float32", name="output_graph"),
    ]
    return keras.Sequential([keras.Input((noise,), name="noise"), *stack], name="generator")


def build_discriminator(side: int, seed: int) -> keras.Model:
    """Return the discriminator: crystal graphs (batch, side, side, 1) to logits (batch, 1) of being real.

    The last sigmoid of Long et al. is part of the loss (binary cross-entropy of the logit): the same function without
    overflow.

    Raises:
        InputError: The side is not a multiple of 4.
    """
    _check_side(side)
    stack = _convolution_blocks(seed, "discriminator")
    stack.append(keras.layers.Dense(1, kernel_initializer=_glorot(seed, "logit"), dtype="float32", name="output_logit"))
    return keras.Sequential([keras.Input((side, side, 1), name="graph"), *stack], name="discriminator")


def build_constraint(side: int, seed: int, output: str = "linear", mean: float = 0.0, std: float = 1.0) -> keras.Model:
    """Return the constraint: crystal graphs (batch, side, side, 1) to formation energies (batch, 1), eV/atom.

    Args:
        side: Side of the crystal graph.
        seed: Seed of the initial weights.
        output: ``linear``: the last value is multiplied by ``std`` and shifted by ``mean`` inside the model, which thus
            is trained on normalised values and predicts eV/atom. ``leaky_relu``: as in the authors' code, LeakyReLU
            after the last layer too, with slope 0.2 for negative energies, and no normalisation.
        mean: Mean of the training values, eV/atom.
        std: Standard deviation of the training values, eV/atom.

    Raises:
        InputError: The side is not a multiple of 4, or the output is unknown.
    """
    _check_side(side)
    if output not in ("linear", "leaky_relu"):
        raise InputError(f"constraint.image.output is '{output}'; allowed are linear and leaky_relu.")
    layers = keras.layers
    stack = _convolution_blocks(seed, "constraint")
    for number, units in enumerate((1024, 256, 256, 256, 64)):
        stack += [
            layers.Dense(units, kernel_initializer=_glorot(seed, f"constraint-dense-{number}")),
            layers.LeakyReLU(negative_slope=LEAK),
        ]
    stack.append(layers.Dense(1, kernel_initializer=_glorot(seed, "energy"), dtype="float32", name="output_dense"))
    if output == "linear":
        last = layers.Rescaling(float(std), float(mean), dtype="float32", name="output_energy")
    else:
        last = layers.LeakyReLU(negative_slope=LEAK, dtype="float32", name="output_energy")
    return keras.Sequential([keras.Input((side, side, 1), name="graph"), *stack, last], name="constraint")


class UpsampledConvolution(keras.layers.Conv2D):
    """A 3 x 3 convolution of an image doubled by repeating every pixel, without making the large image.

    Repeating pixels and convolving is one transposed convolution of stride 2 whose 4 x 4 kernel is the 3 x 3
    one summed over each pixel's four copies: 4 multiplications for 9.
    """

    def call(self, inputs):
        kernel = tf.pad(self.kernel, [[1, 1], [1, 1], [0, 0], [0, 0]])
        kernel = kernel[:-1, :-1] + kernel[1:, :-1] + kernel[:-1, 1:] + kernel[1:, 1:]
        kernel = tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])
        shape = [tf.shape(inputs)[0], *self.compute_output_shape(inputs.shape)[1:]]
        return tf.nn.bias_add(tf.nn.conv2d_transpose(inputs, kernel, shape, 2), self.bias)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2 * input_shape[1], 2 * input_shape[2], self.filters)


def in_precision(model: keras.Model, policy: str | keras.DTypePolicy) -> keras.Model:
    """Return a copy of a model, with the same weights, whose layers compute with another precision.

    Args:
        model: The model.
        policy: Keras dtype policy such as ``mixed_bfloat16``. Weights and the output layers stay float32.
    """

    def convert(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if not layer.name.startswith(OUTPUT) and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = policy
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=convert)
    copy.set_weights(model.get_weights())
    return copy


def _convolution_blocks(seed: int, network: str) -> list[keras.Layer]:
    """Return the four convolution blocks of the discriminator and the constraint, and a flattening."""
    layers = keras.layers
    stack: list[keras.Layer] = []
    for number, (filters, stride) in enumerate(((32, 2), (64, 2), (128, 2), (256, 1))):
        stack.append(_convolution(filters, stride, seed, f"{network}-{number}"))
        if number == 1:  # 7 x 7 becomes 8 x 8
            stack.append(layers.ZeroPadding2D(((0, 1), (0, 1))))
        if number > 0:
            stack.append(layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM))
        stack.append(layers.LeakyReLU(negative_slope=LEAK))
        stack.append(layers.Dropout(DROPOUT, seed=derive_seed(seed, network, "dropout", number)))
    return [*stack, layers.Flatten()]


def _convolution(filters: int, stride: int, seed: int, stream: str, name: str | None = None) -> keras.layers.Conv2D:
    """Return a 3 x 3 convolution that keeps (stride 1) or halves (stride 2) the side."""
    return keras.layers.Conv2D(filters, 3, stride, padding="same", kernel_initializer=_glorot(seed, stream), name=name)


def _glorot(seed: int, stream: str) -> keras.initializers.Initializer:
    """Return the Glorot-uniform initialiser with the seed of this stream."""
    return keras.initializers.GlorotUniform(seed=derive_seed(seed, stream))


def _check_side(side: int) -> None:
    """Raise InputError unless the generator can double side / 4 twice."""
    if side < 8 or side % 4:
        raise InputError(f"a crystal graph has side {side}; a multiple of 4, at least 8, is needed.")
