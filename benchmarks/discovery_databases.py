"""Databases for benchmarks/discovery.py, each in one file.

    python benchmarks/discovery_databases.py results/V-O [...]             # writes benchmarks/data/discovery/V-O.tar.xz
    python benchmarks/discovery_databases.py benchmarks/data/discovery/V-O.tar.xz [...]            # makes results/V-O

The relaxation of a database is the larger part of what the benchmark of another system costs, so the databases of the
published table are in benchmarks/data/discovery, and the benchmark takes such a file in place of the folder of a run.
The schemes need a run of the workflow: the second command makes a folder from which it continues, with the tables that
are not packed (``snakemake --rerun-triggers mtime``, since it has no record of how these files were made).
"""

import io
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from ccdcgan.crystals.structures import read_set  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.database.energies import to_table  # noqa: E402
from ccdcgan.evaluation.novelty import find_known, known_phases_table  # noqa: E402
from ccdcgan.utils.files import atomic_path, write_csv  # noqa: E402
from ccdcgan_workflow.configuration import elements_of  # noqa: E402
from ccdcgan_workflow.runs.record import read_record  # noqa: E402

DATA: Path = ROOT / "benchmarks" / "data" / "discovery"
PACKED = ".tar.xz"
FILES = (
    "run.yaml",
    "database/substituted.extxyz",
    "database/database.extxyz",
    "database/known.extxyz",
    "database/references.csv",
)


def pack(folder: Path) -> Path:
    """Write what the benchmark reads of a run into one file; equal runs give equal files.

    Args:
        folder: Folder of a run with its database.

    Returns:
        The file, named like the folder.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        sys.exit(
            f"{folder} lacks {', '.join(missing)}; make its database first: snakemake database --config system=..."
        )
    path = DATA / f"{folder.resolve().name}{PACKED}"
    with atomic_path(path) as temporary, tarfile.open(temporary, "w:xz") as archive:
        for name in FILES:
            content = (folder / name).read_bytes()
            entry = tarfile.TarInfo(f"{folder.resolve().name}/{name}")  # dated 1970 by default
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def unpack(path: Path, output: Path) -> Path:
    """Return the folder of a run: ``path`` itself, or that of a packed database, unpacked below ``output``."""
    return _extract(path, output / "databases") if path.name.endswith(PACKED) else path


def _extract(path: Path, into: Path) -> Path:
    """Extract a packed database and return its folder below ``into``."""
    with tarfile.open(path) as archive:
        archive.extractall(into, filter="data")
    return into / path.name.removesuffix(PACKED)


def restore(path: Path, results: Path) -> Path:
    """Make the folder of a run from a packed database, with the tables that the workflow writes beside it.

    Args:
        path: Packed database.
        results: Folder of the runs.

    Returns:
        The folder of the run. One that exists ends the program, since its files would be replaced.
    """
    if (existing := results / path.name.removesuffix(PACKED)).exists():
        sys.exit(f"{existing} exists; give it another name to make it from {path}.")
    folder = _extract(path, results)
    record = read_record(folder)
    elements, uniqueness = elements_of(record["system"]), Uniqueness(record["configuration"]["matcher"])
    crystals, phases = (read_set(folder / f"database/{name}.extxyz") for name in ("database", "known"))
    relaxed = [crystal for crystal in crystals if crystal.info["status"] == "ok"]
    table = to_table(crystals, elements).assign(known=find_known(crystals, phases, uniqueness))
    write_csv(folder / "database/database.csv", table)
    write_csv(folder / "database/known.csv", known_phases_table(phases, relaxed, elements, uniqueness))
    return folder


if __name__ == "__main__":
    for run in sys.argv[1:] or sys.exit(__doc__):
        print(restore(Path(run), ROOT / "results") if run.endswith(PACKED) else pack(Path(run)))
