"""Checks of the inputs of VASP that can be made before a run: INCAR tags, functional, POTCAR library."""

import difflib
import math
import os
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ccdcgan.utils.errors import InputError

FAMILIES = {"PE": "PBE", "CA": "LDA", "91": "PW91"}
"""LEXCH of a POTCAR -> start of the names of pymatgen's functionals."""
_TITLES = {"PAW_PBE": "PE", "PAW_RPBE": "RP", "PAW_GGA": "91", "PAW_LDA": "CA"}
"""Start of the title of a POTCAR -> its LEXCH; potentials of LDA and for GW are titled PAW only."""
_LDA_TAGS = ("CA", "PZ", "HL", "WI", "VW")
"""Values of the INCAR tag GGA that are the local density approximation."""

_FURTHER_TAGS = """
BANDGAP BEXT BPARAM CMBJE CORE_C CPARAM CSVR_PERIOD DEG_THRESHOLD DFNMAX DFNMIN DROTMAX EB_K EFERMI ESTOP FDSTEP FNMIN
FOURORBIT FTIMEDEC FTIMEINC FTIMEMAX HFALPHA HFKIDENT IBSE ICHAIN INVCURV IOPT IVDW_NL KERNEL_TRUNCATION LAMBDA_D_K
LAPACK LBFCONST LCLIMB LDISENTANGLED LDMP1 LDNEB LFINITE_TEMPERATURE LFOCKACE LGLOBAL LH5 LIBXC1 LIBXC2 LINTPOL
LKPOINTS_OPT LLINEOPT LMAXMP2 LMP2LT LNEBCELL LNLDIEL LNLION LPHON_DISPERSION LPHON_POLAR LPHON_READ_FORCE_CONSTANTS
LPOSNICS LRHOB LRHOION LSCK LSFBXC LSMP2LT LTANGENTOLD LTBOUNDLIBXC LTIME_EVOLUTION LTRIPOD LTSSURF LUSENCCL LVDW
LVDWSCS LVDW_ONECELL LWAP LWRITE_SPN MAXMOVE MDGAMMA NBANDS_WAVE NCORE_IN_IMAGE1 NCSHMEM NC_K NELMGW NHC_NCHAINS
NHC_NRESPA NHC_NS NHC_PERIOD NTEMPER NUM_WANN PARAM3 RANDOM_GENERATOR SCALEE SCISSOR SDALPHA SDRUDE SIGMA_K SKIP_EDOTP
SKIP_SCF SOLTEMP STOP_ON TAU TELESCOPE VCA VCAIMAGES VDW_ALPHA VDW_IDAMPF VDW_MBD_SIZE WANNIER90_WIN XC XC_C
"""
"""INCAR tags of VASP 6, its solvation model and the VTST tools that are not in pymatgen's list."""
_FURTHER_FAMILIES = ("ML_", "ELPH_", "PHON_", "LIBXC1_", "LIBXC2_", "KPOINTS_OPT_", "PLUGINS/", "KERNEL_TRUNCATION/")


def check_vasp_inputs(incar: Mapping[Any, Any], functional: str) -> None:
    """Check the INCAR tags and that the potentials have the functional that is computed.

    Args:
        incar: ``relaxation.vasp.incar``.
        functional: ``relaxation.vasp.potcar_functional``.

    Raises:
        InputError: For an unknown tag, a value of the wrong type, an unknown functional, or potentials of another one.
    """
    tags = incar_tags(incar)
    family = _lexch(functional)
    computed = tags.get("GGA", "PE")
    if computed is None or str(computed).upper() == "LI":  # the functional of the potentials, or one of libxc
        return
    wanted = str(computed).upper()
    wanted = "CA" if wanted in _LDA_TAGS else "91" if wanted == "91" else "PE"
    if wanted != family:
        raise InputError(
            f"config key relaxation.vasp.potcar_functional is {functional!r}, which are potentials of "
            f"{FAMILIES[family]}, but VASP computes with GGA = {computed}; set potcar_functional to "
            f"{', '.join(_functionals(FAMILIES[wanted]))}, or set relaxation.vasp.incar to {{GGA: {family}}}."
        )


def incar_tags(incar: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the INCAR tags of the configuration in capitals.

    Args:
        incar: Tag, in capitals or not, -> value; None removes a tag.

    Raises:
        InputError: For a tag that VASP does not have and would ignore, a tag given twice, or a value of the wrong type.
    """
    from pymatgen.io.vasp import Incar

    known = {**dict.fromkeys(_FURTHER_TAGS.split(), {}), **Incar.INCAR_PARAMS}
    tags: dict[str, Any] = {}
    for key, value in incar.items():
        tag = str(key).strip().upper()
        if tag not in known and not tag.startswith(_FURTHER_FAMILIES):
            near = difflib.get_close_matches(tag, known, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]}?" if near else "remove it: VASP ignores tags that it does not know."
            raise InputError(f"config key relaxation.vasp.incar has {key!r}, which is not a tag of VASP; {hint}")
        if tag in tags:
            raise InputError(f"config key relaxation.vasp.incar has the tag {tag} twice; keep one of them.")
        expected = _expected(known.get(tag, {}).get("type"), value)
        if expected:
            raise InputError(f"config key relaxation.vasp.incar.{key} is {value!r}; VASP needs {expected}.")
        tags[tag] = value
    return tags


def _expected(kind: str | None, value: Any) -> str:
    """Return in words what the value of a tag of a kind has to be, "" if it is."""
    if value is None or isinstance(value, list | tuple | Mapping):
        return ""
    if kind == "bool":
        words = (".TRUE.", ".FALSE.", "TRUE", "FALSE", "T", "F", ".T.", ".F.")
        return "" if isinstance(value, bool) or str(value).strip().upper() in words else "true or false"
    if kind not in ("int", "float"):
        return ""
    words = "an integer" if kind == "int" else "a number"
    try:
        number = math.nan if isinstance(value, bool) else float(str(value).lower().replace("d", "e"))
    except ValueError:
        return words
    return "" if math.isfinite(number) and (kind == "float" or number == int(number)) else words


def _functionals(family: str = "") -> list[str]:
    """Return the names of pymatgen's POTCAR libraries, of one family or all."""
    from pymatgen.io.vasp import PotcarSingle

    return [name for name in PotcarSingle.functional_dir if name.split("_")[0] == family or not family]


def _lexch(functional: str) -> str:
    """Return the LEXCH of the potentials of a functional; raise InputError for an unknown functional."""
    from pymatgen.io.vasp import PotcarSingle

    names = _functionals()
    if functional not in names:
        folders = PotcarSingle.functional_dir
        plain = {word.replace("_", "").upper(): name for name in reversed(names) for word in (name, folders[name])}
        written = "".join(letter for letter in str(functional).upper() if letter.isalnum())
        near = difflib.get_close_matches(written.replace("POTPAW", ""), plain, n=1, cutoff=0.6)
        hint = f"; did you mean {plain[near[0]]}?" if near else "."
        raise InputError(
            f"config key relaxation.vasp.potcar_functional is {functional!r}, which is not a POTCAR library of pymatgen"
            f"; choose one of {', '.join(names)}{hint}"
        )
    families = {family: lexch for lexch, family in FAMILIES.items()}
    return families.get(functional.split("_")[0], "CA")  # Perdew_Zunger81 is LDA


def potcar_folder(functional: str = "PBE_54") -> Path:
    """Return the folder of the POTCAR library, PMG_VASP_PSP_DIR of the environment or of pymatgen's settings.

    pymatgen is told the folder, since it neither expands ``~`` nor sees a later change of the environment.

    Args:
        functional: Functional of the POTCARs, for the message.

    Raises:
        InputError: If PMG_VASP_PSP_DIR is not set or is not a folder.
    """
    from pymatgen.core import SETTINGS

    folder = os.environ.get("PMG_VASP_PSP_DIR") or SETTINGS.get("PMG_VASP_PSP_DIR")
    if not folder or not Path(folder).expanduser().is_dir():
        raise InputError(
            f"the engine vasp needs the POTCAR library, but PMG_VASP_PSP_DIR is "
            f"{f'{folder}, which is not a folder' if folder else 'not set'}; set that environment variable, or the key "
            f"of that name in ~/.config/.pmgrc.yaml, to the folder that contains {_subfolder(functional)} "
            "(`pmg config -p` creates it from VASP's own archive)."
        )
    SETTINGS["PMG_VASP_PSP_DIR"] = str(Path(folder).expanduser())
    return Path(folder).expanduser()


def _subfolder(functional: str) -> str:
    """Return the name of the folder of a functional in the library, as pymatgen determines it."""
    from pymatgen.core import SETTINGS
    from pymatgen.io.vasp import PotcarSingle

    _lexch(functional)
    return (SETTINGS.get("PMG_VASP_PSP_SUB_DIRS") or {}).get(functional, PotcarSingle.functional_dir[functional])


def check_potcars(elements: set[str], symbols: Mapping[str, str], functional: str) -> None:
    """Check that the library has the POTCAR of every element, of that element and of that functional.

    Args:
        elements: Elements of the system.
        symbols: Element -> POTCAR symbol, where it differs from atomate2's choice.
        functional: Functional of the POTCARs, e.g. "PBE_54".

    Raises:
        InputError: For an unknown functional, a missing folder, and the first element whose POTCAR is missing or is of
            another element or functional.
    """
    from atomate2.vasp.sets.core import RelaxSetGenerator

    name = _subfolder(functional)
    folder = potcar_folder(functional) / name
    chosen = RelaxSetGenerator().config_dict["POTCAR"] | dict(symbols)
    for element in sorted(elements):
        symbol = chosen.get(element, element)
        symbol = symbol["symbol"] if isinstance(symbol, Mapping) else symbol
        _check_potcar(element, symbol, functional, folder)


def _check_potcar(element: str, symbol: str, functional: str, folder: Path) -> None:
    """Raise InputError if a POTCAR is missing, unreadable, or of another element or functional."""
    from pymatgen.io.vasp import PotcarSingle

    change = "or choose another in relaxation.vasp.potcar."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that pymatgen does not know the file
            potcar = PotcarSingle.from_symbol_and_functional(symbol, functional)
    except OSError as error:
        raise InputError(
            f"the engine vasp finds no POTCAR {symbol} ({functional}) for {element} under "
            f"PMG_VASP_PSP_DIR={folder.parent}, {_missing(element, symbol, folder)}, {change}"
        ) from error
    except Exception as error:  # pymatgen raises errors of many kinds for a file that is not a POTCAR
        raise InputError(
            f"the POTCAR {symbol} for {element} in {folder} cannot be read ({type(error).__name__}: {error}); "
            f"replace it by VASP's own file, {change}"
        ) from error
    title, lexch = (str(potcar.keywords.get(key, "")).strip() for key in ("TITEL", "LEXCH"))
    if (found := _element(potcar.keywords, title)) not in ("", element):
        raise InputError(
            f"the POTCAR {symbol} for {element} in {folder} is of {found} (TITEL = {title}); replace it, {change}"
        )
    expected = _lexch(functional)
    if lexch in _known(functional).get(title.replace(" ", ""), ()):  # a few of VASP's own files are exceptions
        return
    titled = next((value for start, value in _TITLES.items() if title.startswith(start)), expected)
    if lexch != expected or titled != expected:
        raise InputError(
            f"the POTCAR {symbol} for {element} in {folder} is of another functional than {functional} "
            f"(LEXCH = {lexch or 'missing'}, TITEL = {title}; LEXCH = {expected} is needed): fill that folder with the "
            f"potentials of {functional}, or set relaxation.vasp.potcar_functional to the functional of the library."
        )


def _missing(element: str, symbol: str, folder: Path) -> str:
    """Return in words which folder or file of the library is missing and what to do."""
    if not folder.is_dir():
        found = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
        return (
            f"which has no folder {folder.name} (it has {', '.join(found[:12]) or 'no folders'}); give the folder of "
            "these potentials that name, or name it in PMG_VASP_PSP_SUB_DIRS of ~/.config/.pmgrc.yaml"
        )
    names = sorted({path.name.removeprefix("POTCAR.").removesuffix(".gz") for path in folder.iterdir()})
    names = [name for name in names if name.split("_")[0].split(".")[0] == element]
    has = ", ".join(names) or f"none of {element}"
    return f"in the folder {folder.name}, which has {has}; add {symbol}/POTCAR or POTCAR.{symbol} to that folder"


def _element(keywords: Mapping[str, Any], title: str) -> str:
    """Return the element of a POTCAR by its title, such as "PAW_PBE Bi_d 06Sep2000", "" if that names none."""
    from pymatgen.core import Element

    for word in title.lstrip("^").replace("=", " ").split()[1:2]:
        symbol = word.split("_")[0].split(".")[0]
        if Element.is_valid_symbol(symbol):
            return symbol
    symbol = str(keywords.get("VRHFIN", "")).split(":")[0].strip(" =")
    return symbol if Element.is_valid_symbol(symbol) else ""


@cache
def _known(functional: str) -> Mapping[str, set[str]]:
    """Return title without spaces -> LEXCH of the POTCARs that VASP has published for a functional."""
    from pymatgen.io.vasp import inputs

    summary = inputs._load_potcar_summary_stats()[functional]
    return {title: {entry["LEXCH"] for entry in entries} for title, entries in summary.items()}
