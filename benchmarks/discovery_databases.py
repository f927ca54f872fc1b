"""Databases for benchmarks/discovery.py, each in one file.

    python benchmarks/discovery_databases.py results/V-O [...]      # writes benchmarks/data/discovery/V-O.tar.xz

The relaxation of a database is the larger part of what the benchmark of another system costs, so the databases of the
published table are in benchmarks/data/discovery, and the benchmark takes such a file in place of the folder of a run.
"""

import io
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from ccdcgan.utils.files import atomic_path  # noqa: E402

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
    if not path.name.endswith(PACKED):
        return path
    with tarfile.open(path) as archive:
        archive.extractall(output / "databases", filter="data")
    return output / "databases" / path.name.removesuffix(PACKED)


if __name__ == "__main__":
    for run in sys.argv[1:] or sys.exit(__doc__):
        print(pack(Path(run)))
