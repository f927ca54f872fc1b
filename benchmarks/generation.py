"""Speed of generation and decoding in one process, samples per second, and its peak memory.

    python benchmarks/generation.py results/Bi-Se [--scheme flow] [--samples 2000 10000] [--against ../earlier]

The script uses the networks of a finished run. Every shard is generated in its own process, one after the other, with
one thread. For each process it prints the number of candidates, samples per second of wall-clock time and of CPU time,
and peak memory.

With `--against` the code of another checkout generates the same samples, at the same time, so that both have the same
share of the processor. The script prints the ratio of their speeds and compares the samples one by one: status, reason,
formula, number of atoms and repairs, and the distances of the atoms of the candidates.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AUTOENCODERS = ("lattice_autoencoder.keras", "sites_autoencoder.keras")
RULES = {"min_distance": 2.0, "max_atoms": 20, "expansion": 1.15, "faint": 0.6}
"""Rules of a candidate, the default ones: angstrom, number of atoms, factor on the cell lengths, peak threshold."""
COMPARED = ("status", "reason", "formula", "n_atoms", "repaired")
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)


def generate(run: Path, scheme: str, samples: int) -> dict:
    """Generate one shard.

    Args:
        run: Folder of a finished run.
        scheme: Name of the scheme.
        samples: Number of samples.

    Returns:
        wall and processor (s), memory (MB), rows (COMPARED of each sample) and crystals (by id: cell, fractional
        coordinates and symbol and number of the space group at 0.1 angstrom).
    """
    from ccdcgan.candidates.generation import ShardPlan, generate_shard
    from ccdcgan.models.generators.loading import load_generator
    from ccdcgan.representation.crystal_graph import CandidateRules, load_codec

    generator = load_generator(run / f"models/{scheme}/generator.keras")
    codec = load_codec(*(run / "representation" / name for name in ("crystal_graphs.npz", *AUTOENCODERS)))
    wall, processor = time.perf_counter(), time.process_time()
    shard = generate_shard(generator, codec, ShardPlan(scheme, 0, samples, 1, CandidateRules(**RULES)))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    crystals = {
        crystal.id: [
            crystal.structure.lattice.matrix.tolist(),
            crystal.structure.frac_coords.tolist(),
            crystal.structure.get_space_group_info(0.1),
        ]
        for crystal in shard.candidates
    }
    return {
        "wall": wall,
        "processor": processor,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": [[str(value) for value in row] for row in shard.samples[list(COMPARED)].fillna("").to_numpy()],
        "crystals": crystals,
    }


def start(root: Path, run: Path, scheme: str, samples: int) -> subprocess.Popen:
    """Start a process that runs :func:`generate` with the code of a checkout and prints its results as JSON."""
    command = [sys.executable, __file__, str(run), "--scheme", scheme, "--samples", str(samples), "--code", str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | ONE_THREAD)


def finish(process: subprocess.Popen) -> dict:
    """Return the results of a process of :func:`start`."""
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("generation failed; run the script with --code to see why")
    return json.loads(output)


def displacement(first: list, second: list) -> float:
    """Return the largest displacement of an atom or change of a cell vector's component, angstrom."""
    import numpy as np

    cell, other = np.array(first[0]), np.array(second[0])
    offsets = np.array(first[1]) - np.array(second[1])
    moved = np.linalg.norm((offsets - np.round(offsets)) @ cell, axis=1).max()
    return float(max(moved, np.abs(cell - other).max()))


def compare(ours: dict, theirs: dict) -> str:
    """Return a sentence on the differences between two shards of the same samples."""
    import numpy as np

    different = [
        number for number, pair in enumerate(zip(ours["rows"], theirs["rows"], strict=True)) if pair[0] != pair[1]
    ]
    common = [
        (crystal, theirs["crystals"][name])
        for name, crystal in ours["crystals"].items()
        if name in theirs["crystals"] and len(crystal[1]) == len(theirs["crystals"][name][1])
    ]
    moved = np.array([displacement(*pair) for pair in common])
    groups = sum(first[2] != second[2] for first, second in common)
    return (
        f"{len(different)} of {len(ours['rows'])} samples differ in {', '.join(COMPARED)}: {different[:20]}; of "
        f"{len(common)} common candidates {groups} differ in the space group and {int((moved > 1e-4).sum())} by more "
        f"than 0.0001 angstrom (median {np.median(moved):.1e}, largest {moved.max():.1e})"
    )


def report(name: str, samples: int, result: dict) -> None:
    """Print the speed of a shard."""
    print(
        f"{name}: {len(result['crystals'])} candidates of {samples} samples, {samples / result['wall']:.0f} samples/s "
        f"({samples / result['processor']:.0f} per CPU second), {result['memory']:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--scheme", default="flow")
    parser.add_argument("--samples", type=int, nargs="+", default=[2000, 10000])
    parser.add_argument("--against", type=Path, help="another checkout whose code generates the same samples")
    parser.add_argument("--code", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.code:
        sys.path.insert(0, str(chosen.code / "workflow_scripts"))
        print(json.dumps(generate(chosen.run, chosen.scheme, chosen.samples[0])))
        sys.exit()
    for number in chosen.samples:
        roots = [ROOT, chosen.against] if chosen.against else [ROOT]
        results = [finish(process) for process in [start(root, chosen.run, chosen.scheme, number) for root in roots]]
        report(chosen.scheme, number, results[0])
        if chosen.against:
            report(f"{chosen.scheme}, code of {chosen.against}", number, results[1])
            print(f"{results[1]['processor'] / results[0]['processor']:.1f} times as fast (CPU time)")
            print(compare(*results))
