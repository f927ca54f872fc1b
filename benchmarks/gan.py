"""Training speed of the GANs, compared with the usual Keras loop with the same networks.

    python benchmarks/gan.py [--batch 32 128] [--scheme dcgan ccdcgan] [--rounds 5] [--steps 20]

Each step of the usual loop calls ``predict_on_batch`` of the generator, ``train_on_batch`` of the discriminator on real
and on generated crystal graphs, and ``train_on_batch`` of the generator with frozen discriminator (and constraint) in
one model. The loop of this workflow is ``GanTraining.run``, which makes many steps in one call. The loops are timed
alternately, after a first call that compiles. The script prints the medians over the rounds of steps per second of
wall-clock time and of CPU time, and the ratios.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from sys import path

ROOT = Path(__file__).resolve().parent.parent
path.insert(0, str(ROOT / "workflow_scripts"))

import ccdcgan  # noqa: E402, F401, I001  # before TensorFlow, whose environment it sets
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import yaml  # noqa: E402

from ccdcgan.models.convolutional_networks import build_constraint, build_discriminator, build_generator, in_precision  # noqa: E402
from ccdcgan.models.generators.gan import GanTraining  # noqa: E402
from ccdcgan_workflow.keys.renamed import earlier_names  # noqa: E402

SIDE = 28
PRECISIONS = ("float32", "mixed_bfloat16")


def usual_loop(graphs: np.ndarray, config: dict, constraint: keras.Model | None) -> Callable[[int], None]:
    """Return the usual Keras loop in float32, a function of the number of steps.

    Args:
        graphs: Crystal graphs, shape (n, side, side, 1).
        config: Section ``gan`` of the configuration.
        constraint: Constraint network; None: scheme dcgan.
    """
    generator, discriminator = build_generator(SIDE, config["noise"], 0), build_discriminator(SIDE, 0)

    def adam() -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(config["learning_rate"], config["beta_1"], config["beta_2"])

    likely = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(adam(), likely)
    noise = keras.Input((config["noise"],))
    generated = generator(noise)
    outputs, losses, weights = [discriminator(generated)], [likely], [1.0]
    if constraint is not None:
        outputs.append(constraint(generated))
        losses.append(lambda _, energy: tf.reduce_mean(energy))
        weights.append(config["constraint_weight"])
    combined = keras.Model(noise, outputs)
    combined.compile(adam(), losses, loss_weights=weights)
    rng, batch = np.random.default_rng(0), config["batch"]
    real, fake = np.ones((batch, 1), np.float32), np.zeros((batch, 1), np.float32)
    targets = [real] * len(outputs)

    def draw() -> np.ndarray:
        return rng.standard_normal((batch, config["noise"])).astype(np.float32)

    def run(steps: int) -> None:
        for _ in range(steps):
            discriminator.trainable = True
            discriminator.train_on_batch(graphs[rng.integers(0, len(graphs), batch)], real)
            discriminator.train_on_batch(generator.predict_on_batch(draw()), fake)
            discriminator.trainable = False
            combined.train_on_batch(draw(), targets)

    discriminator.trainable = False  # the first step compiles the combined model, which must see it frozen
    combined.train_on_batch(draw(), targets)
    return run


def fused_loop(graphs: np.ndarray, config: dict, constraint: keras.Model | None, policy: str) -> Callable[[int], None]:
    """Return the loop of this workflow, a function of the number of steps; arguments as in :func:`usual_loop`.

    Args:
        policy: Precision, a dtype policy of Keras.
    """
    training = GanTraining(graphs, config, 1, constraint, policy)
    return lambda steps: training.run(tf.constant(0), tf.constant(steps)).numpy()


def compare(loops: dict[str, Callable[[int], None]], steps: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the steps per second of wall-clock time and of CPU time of each loop, medians over the rounds.

    Args:
        loops: Name -> loop.
        steps: Number of steps of each loop in one round.
        rounds: Number of rounds, each with all loops.
    """
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for run in loops.values():
        run(2)  # compiles
    for _ in range(rounds):
        for name, run in loops.items():
            wall, processor = time.perf_counter(), time.process_time()
            run(steps)
            rates[name].append((steps / (time.perf_counter() - wall), steps / (time.process_time() - processor)))
    return {name: tuple(map(statistics.median, zip(*pairs, strict=True))) for name, pairs in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--scheme", nargs="+", choices=["dcgan", "ccdcgan"], default=["dcgan", "ccdcgan"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    chosen = parser.parse_args()
    settings = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))["gan"]
    settings = earlier_names({"gan": settings})["gan"]  # as the library calls the keys
    graphs = np.random.default_rng(0).uniform(-1, 1, (200, SIDE, SIDE, 1)).astype(np.float32)
    for scheme in chosen.scheme:
        constraint = build_constraint(SIDE, 0) if scheme == "ccdcgan" else None
        for batch in chosen.batch:
            config = settings | {"batch": batch}
            frozen = None if constraint is None else in_precision(constraint, "float32")
            if frozen is not None:
                frozen.trainable = False
            loops = {"usual Keras loop, float32": usual_loop(graphs, config, frozen)}
            loops |= {
                f"this workflow, {policy}": fused_loop(graphs, config, constraint, policy) for policy in PRECISIONS
            }
            rates = compare(loops, chosen.steps, chosen.rounds)
            wall_before, processor_before = rates["usual Keras loop, float32"]
            for name, (wall, processor) in rates.items():
                print(
                    f"{scheme}, batch {batch}, {name}: {wall:.2f} steps/s ({wall / wall_before:.2f} x), "
                    f"{processor:.2f} steps per CPU second ({processor / processor_before:.2f} x)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
