"""Speed of generation and decoding in one process, samples per second, and its peak memory.

    python benchmarks/generation.py results/Bi-Se [--scheme flow] [--samples 2000 10000]

The script uses the networks of a finished run. Every shard is generated in its own process, one after the other. For
each process it prints the number of candidates, samples per second of wall-clock time and of CPU time, and peak memory.
"""

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from sys import path

ROOT = Path(__file__).resolve().parent.parent
path.insert(0, str(ROOT / "workflow_scripts"))

AUTOENCODERS = ("lattice_autoencoder.keras", "sites_autoencoder.keras")
RULES = {"min_distance": 2.0, "max_atoms": 20, "expansion": 1.15}
"""Rules of a candidate as in config.yaml: angstrom, number of atoms, factor on the cell lengths."""


def generate(run: Path, scheme: str, samples: int) -> tuple[int, float, float, float]:
    """Generate one shard.

    Args:
        run: Folder of a finished run.
        scheme: Name of the scheme.
        samples: Number of samples.

    Returns:
        Number of candidates, wall-clock time (s), CPU time (s) and peak memory (MB).
    """
    from ccdcgan.candidates.generation import ShardPlan, generate_shard
    from ccdcgan.models.generators.loading import load_generator
    from ccdcgan.representation.crystal_graph import CandidateRules, load_codec

    generator = load_generator(run / f"models/{scheme}/generator.keras")
    files = [run / "representation" / name for name in ("crystal_graphs.npz", *AUTOENCODERS)]
    codec = load_codec(*files)
    wall, processor = time.perf_counter(), time.process_time()
    shard = generate_shard(generator, codec, ShardPlan(scheme, 0, samples, 1, CandidateRules(**RULES)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return len(shard.candidates), time.perf_counter() - wall, time.process_time() - processor, memory


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--scheme", default="flow")
    parser.add_argument("--samples", type=int, nargs="+", default=[2000, 10000])
    chosen = parser.parse_args()
    for number in chosen.samples:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found, seconds, processor, memory = pool.submit(generate, chosen.run, chosen.scheme, number).result()
        print(
            f"{chosen.scheme}: {found} candidates of {number} samples, {number / seconds:.0f} samples/s "
            f"({number / processor:.0f} per CPU second), {memory:.0f} MB",
            flush=True,
        )
