"""VASP's POTCAR library: where it is, and whether it holds what a system needs."""

import os
from collections.abc import Mapping
from pathlib import Path

from ccdcgan.utils.errors import InputError


def potcar_folder() -> Path:
    """Return the folder of the POTCAR library, PMG_VASP_PSP_DIR of the environment or of pymatgen's settings.

    Raises InputError with what to do if it is not set or no folder.
    """
    from pymatgen.core import SETTINGS

    folder = os.environ.get("PMG_VASP_PSP_DIR") or SETTINGS.get("PMG_VASP_PSP_DIR")
    if not folder or not Path(folder).expanduser().is_dir():
        raise InputError(
            f"the engine vasp needs the POTCAR library, but PMG_VASP_PSP_DIR is "
            f"{f'{folder}, which is no folder' if folder else 'not set'}; set that environment variable, or the key "
            "of that name in ~/.config/.pmgrc.yaml, to the folder that holds POT_PAW_PBE_54 "
            "(`pmg config -p` makes it from VASP's own archive)."
        )
    return Path(folder).expanduser()


def check_potcars(elements: set[str], symbols: Mapping[str, str], functional: str) -> None:
    """Raise InputError naming the first element whose POTCAR the library lacks.

    symbols: element -> POTCAR symbol, where it is not atomate2's own choice; functional: e.g. "PBE_54".
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
