"""A stand-in for VASP: reads POSCAR, INCAR and KPOINTS, relaxes with EMT, writes what atomate2 and custodian read.

Run in a folder like VASP itself. It honours NSW, EDIFFG, ISIF (3: cell and positions) and STOPCAR, refuses
input that VASP would refuse, and does what the environment asks of it, by reduced formula:

STAND_IN_ERROR    "Cu3Au=TEXT": prints TEXT, a message of VASP's, on its first call in a folder, and stops
STAND_IN_FATAL    "Cu3Au=TEXT": prints TEXT on every call
STAND_IN_KILL     "Cu3Au": kills the batch and itself after its second ionic step, once (a file remembers)
STAND_IN_SECONDS  seconds that each ionic step takes
"""

import os
import signal
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from ase import units
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.formula import Formula
from ase.io import read, write
from ase.optimize import BFGS

VERSION = "6.4.2"
SHIFT = -3.5
"""eV/atom: EMT's energies lie around zero, where custodian takes positive ones for an error, as they would be."""


def read_incar() -> dict[str, str]:
    """Return the INCAR's tags."""
    lines = [line.split("=", 1) for line in Path("INCAR").read_text().splitlines() if "=" in line]
    return {key.strip().upper(): value.strip() for key, value in lines}


def read_mesh() -> list[int]:
    """Return the explicit mesh of KPOINTS; stop as VASP would on anything else."""
    lines = Path("KPOINTS").read_text().splitlines()
    if lines[2].strip()[:1].upper() not in "GM":
        sys.exit("the stand-in for VASP reads automatic meshes only")
    return [int(number) for number in lines[3].split()[:3]]


def asked(name: str, formula: Formula) -> str:
    """Return the text that the environment asks to be printed for a formula, "" if none."""
    wanted, _, text = os.environ.get(name, "").partition("=")
    return (text or "yes") if Formula(wanted).count() == formula.count() else ""


def vectors(parent: ElementTree.Element, name: str, rows: np.ndarray) -> None:
    """Add a ``varray``."""
    array = ElementTree.SubElement(parent, "varray", name=name)
    for row in np.atleast_2d(rows):
        ElementTree.SubElement(array, "v").text = " ".join(f"{number:.8f}" for number in row)


def add_structure(parent: ElementTree.Element, atoms, name: str | None = None) -> None:
    """Add a structure."""
    element = ElementTree.SubElement(parent, "structure", **({"name": name} if name else {}))
    crystal = ElementTree.SubElement(element, "crystal")
    vectors(crystal, "basis", atoms.cell.array)
    ElementTree.SubElement(crystal, "i", name="volume").text = f"{atoms.get_volume():.8f}"
    vectors(crystal, "rec_basis", atoms.cell.reciprocal())
    vectors(element, "positions", atoms.get_scaled_positions())


def number(value: str) -> tuple[str, str]:
    """Return type and text of an INCAR value as vasprun.xml writes them."""
    if value.strip(".").upper() in ("T", "F", "TRUE", "FALSE"):
        return "logical", value.strip(".")[0]
    try:
        return ("int", str(int(value))) if "." not in value and "e" not in value.lower() else ("", f"{float(value):f}")
    except ValueError:
        return "string", value


def tags(parent: ElementTree.Element, values: dict[str, str]) -> None:
    """Add INCAR tags; lists (MAGMOM) as vectors."""
    for key, value in values.items():
        if key in ("MAGMOM", "LDAUU", "LDAUJ", "LDAUL"):
            runs = [run.split("*") for run in value.split()]  # 2*0.6 is 0.6 0.6
            numbers = [run[-1] for run in runs for _ in range(int(run[0]) if len(run) == 2 else 1)]
            ElementTree.SubElement(parent, "v", name=key).text = " ".join(numbers)
            continue
        kind, text = number(value)
        ElementTree.SubElement(parent, "i", name=key, **({"type": kind} if kind else {})).text = text


class Run:
    """The output files of one run, written anew after every ionic step."""

    def __init__(self, atoms, incar: dict[str, str], mesh: list[int]) -> None:
        self.atoms, self.energies = atoms, []
        self.oszicar, self.outcar = [], [f" vasp.{VERSION} a stand-in", " executed on: tests"]
        self.outcar += ["   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1"]
        self.outcar += ["   number of dos      NEDOS =    301   number of bands    NBANDS=     16"]
        self.outcar += ["   total plane-waves  NPLWV =   4096"]
        self.outcar += ["   ISPIN  =      1", "   IBRION =      2", "   LNONCOLLINEAR =      F"]
        self.outcar += [" maximum and minimum number of plane-waves per node :       100      100"]
        self.root = ElementTree.Element("modeling")
        generator = ElementTree.SubElement(self.root, "generator")
        for key, value in {"program": "vasp", "version": VERSION, "subversion": "stand-in", "platform": "EMT"}.items():
            ElementTree.SubElement(generator, "i", name=key, type="string").text = value
        tags(ElementTree.SubElement(self.root, "incar"), incar)
        kpoints = ElementTree.SubElement(self.root, "kpoints")
        generation = ElementTree.SubElement(kpoints, "generation", param="Gamma")
        divisions = ElementTree.SubElement(generation, "v", type="int", name="divisions")
        divisions.text = " ".join(map(str, mesh))
        for i, name in enumerate(("usershift", "genvec1", "genvec2", "genvec3")):
            row = np.zeros(3) if i == 0 else np.eye(3)[i - 1] / mesh[i - 1]
            ElementTree.SubElement(generation, "v", name=name).text = " ".join(f"{x:.8f}" for x in row)
        vectors(kpoints, "kpointlist", np.zeros((1, 3)))
        vectors(kpoints, "weights", np.ones((1, 1)))
        defaults = {"NELM": "60", "ISPIN": "1", "NSW": "0", "IBRION": "-1", "ISMEAR": "1", "SIGMA": "0.2"}
        defaults |= {"LORBIT": "0", "NELECT": f"{11.0 * len(atoms):.4f}", "LASPH": "F", "LDAU": "F", "LHFCALC": "F"}
        tags(ElementTree.SubElement(self.root, "parameters"), defaults | incar)
        self._atominfo(atoms)
        add_structure(self.root, atoms, "initialpos")

    def _atominfo(self, atoms) -> None:
        """Add elements and POTCAR titles."""
        info = ElementTree.SubElement(self.root, "atominfo")
        symbols = atoms.get_chemical_symbols()
        kinds = list(dict.fromkeys(symbols))
        ElementTree.SubElement(info, "atoms").text = str(len(atoms))
        ElementTree.SubElement(info, "types").text = str(len(kinds))
        rows = {"atoms": [(symbol, str(kinds.index(symbol) + 1)) for symbol in symbols]}
        rows["atomtypes"] = [
            (str(symbols.count(kind)), kind, "60.0", "11.0", f"PAW_PBE {kind} 01Jan2000") for kind in kinds
        ]
        for name, lines in rows.items():
            group = ElementTree.SubElement(ElementTree.SubElement(info, "array", name=name), "set")
            for line in lines:
                row = ElementTree.SubElement(group, "rc")
                for cell in line:
                    ElementTree.SubElement(row, "c").text = cell

    def step(self, seconds: float) -> None:
        """Record the present geometry as an ionic step and write all files."""
        atoms = self.atoms
        energy = atoms.get_potential_energy() + SHIFT * len(atoms)
        self.energies.append(energy)
        n = len(self.energies)
        calculation = ElementTree.SubElement(self.root, "calculation")
        for electronic in range(2):
            scstep = ElementTree.SubElement(calculation, "scstep")
            self._energy(scstep, energy + 1e-6 * (1 - electronic))
        add_structure(calculation, atoms)
        vectors(calculation, "forces", atoms.get_forces())
        vectors(calculation, "stress", -atoms.get_stress(voigt=False) / units.GPa * 10)
        self._energy(calculation, energy)
        change = energy - self.energies[-2] if n > 1 else energy
        self.oszicar += ["       N       E                     dE             d eps       ncg     rms          rms(c)"]
        self.oszicar += [f"DAV: {i + 1:3d}    {energy:.12E}   0.1E-05   0.1E-05   100   0.1E-01" for i in range(2)]
        self.oszicar += [f"{n:4d} F= {energy:.8E} E0= {energy:.8E}  d E ={change:.6E}"]
        self.outcar += [f"      LOOP+:  cpu time{seconds:10.4f}: real time{seconds:10.4f}"]
        self.outcar += ["    total drift:                                0.000000      0.000000      0.000000"]
        self.outcar += [f"  free  energy   TOTEN  =      {energy:.8f} eV", " E-fermi :   1.0000     XC(G=0): -9.0"]
        self.write()

    @staticmethod
    def _energy(parent: ElementTree.Element, energy: float) -> None:
        element = ElementTree.SubElement(parent, "energy")
        for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy"):
            ElementTree.SubElement(element, "i", name=name).text = f"{energy:.8f}"

    def write(self) -> None:
        """Write OSZICAR, OUTCAR and CONTCAR."""
        Path("OSZICAR").write_text("\n".join(self.oszicar) + "\n")
        Path("OUTCAR").write_text("\n".join(self.outcar) + "\n")
        write("CONTCAR", self.atoms, format="vasp", direct=True)

    def finish(self) -> None:
        """Write vasprun.xml, which VASP's parser needs whole, and the end of OUTCAR."""
        calculation = self.root.findall("calculation")[-1]
        spins = ElementTree.SubElement(
            ElementTree.SubElement(ElementTree.SubElement(calculation, "eigenvalues"), "array"), "set"
        )
        bands = ElementTree.SubElement(
            ElementTree.SubElement(spins, "set", comment="spin 1"), "set", comment="kpoint 1"
        )
        for band in range(16):
            ElementTree.SubElement(bands, "r").text = f"{band - 8:.4f} {float(band < 9):.4f}"
        ElementTree.SubElement(ElementTree.SubElement(calculation, "dos"), "i", name="efermi").text = "1.0"
        add_structure(self.root, self.atoms, "finalpos")
        ElementTree.ElementTree(self.root).write("vasprun.xml", encoding="ISO-8859-1", xml_declaration=True)
        self.outcar += [" General timing and accounting informations for this job:"]
        names = ("Total CPU time used", "User time", "System time", "Elapsed time")
        self.outcar += [f"{name:>40s} (sec):        1.000" for name in names]
        self.write()


def main() -> int:
    """Relax the crystal of this folder; return VASP's exit status."""
    if not (Path("POTCAR").exists() or Path("POTCAR.spec").exists()):
        sys.exit("no POTCAR")
    incar, mesh = read_incar(), read_mesh()
    atoms = read("POSCAR", format="vasp")
    formula, _ = atoms.symbols.formula.reduce()
    fatal, first = asked("STAND_IN_FATAL", formula), asked("STAND_IN_ERROR", formula)
    if fatal or (first and not Path(".stood_in").exists()):
        Path(".stood_in").touch()
        print(fatal or first, flush=True)
        return 1
    atoms.calc = EMT()
    run = Run(atoms, incar, mesh)
    seconds, most = float(os.environ.get("STAND_IN_SECONDS", 0)), int(incar.get("NSW", 0))
    target = FrechetCellFilter(atoms) if incar.get("ISIF", "2") == "3" else atoms
    steps = BFGS(target, logfile=None)
    for _ in steps.irun(fmax=abs(float(incar.get("EDIFFG", "-0.02"))), steps=max(most - 1, 0)):
        time.sleep(seconds)
        run.step(seconds)
        marker = Path.cwd().parent / ".killed"
        if asked("STAND_IN_KILL", formula) and len(run.energies) == 2 and not marker.exists():
            marker.touch()
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if Path("STOPCAR").exists():
            break
    run.finish()
    print("reached required accuracy - stopping structural energy minimisation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
