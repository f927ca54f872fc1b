"""The POTCAR library of VASP: its location and its completeness for a system."""

import os
from collections.abc import Mapping
from pathlib import Path

from ccdcgan.utils.errors import InputError


def potcar_folder() -> Path:
    """Return the folder of the POTCAR library, PMG_VASP_PSP_DIR of the environment or of pymatgen's settings.

    Raises:
        InputError: If PMG_VASP_PSP_DIR is not set or is not a folder.
    """
    from pymatgen.core import SETTINGS

    folder = os.environ.get("PMG_VASP_PSP_DIR") or SETTINGS.get("PMG_VASP_PSP_DIR")
    if not folder or not Path(folder).expanduser().is_dir():
        raise InputError(
            f"the engine vasp needs the POTCAR library, but PMG_VASP_PSP_DIR is "
            f"{f'{folder}, which is not a folder' if folder else 'not set'}; set that environment variable, or the key "
            "of that name in ~/.config/.pmgrc.yaml, to the folder that contains POT_PAW_PBE_54 "
            "(`pmg config -p` creates it from VASP's own archive)."
        )
    return Path(folder).expanduser()


def check_potcars(elements: set[str], symbols: Mapping[str, str], functional: str) -> None:
    """Check that the library has the POTCAR of every element.

    Args:
        elements: Elements of the system.
        symbols: Element -> POTCAR symbol, where it differs from atomate2's choice.
        functional: Functional of the POTCARs, e.g. "PBE_54".

    Raises:
        InputError: For the first element whose POTCAR is missing.
    """
    from atomate2.vasp.sets.core import RelaxSetGenerator
    from pymatgen.io.vasp import PotcarSingle

    folder = potcar_folder()
    chosen = RelaxSetGenerator().config_dict["POTCAR"] | dict(symbols)
    for element in sorted(elements):
        symbol = chosen.get(element, element)
        symbol = symbol["symbol"] if isinstance(symbol, Mapping) else symbol
        try:
            PotcarSingle.from_symbol_and_functional(symbol, functional)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the engine vasp finds no POTCAR {symbol} ({functional}) for {element} under "
                f"PMG_VASP_PSP_DIR={folder}; add it to that library, or choose another in relaxation.vasp.potcar."
            ) from error
