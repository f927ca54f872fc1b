"""Names of the machine-learned potentials, and the packages that they need; nothing heavy is imported."""

SEVENNET = ("7net-0", "7net-l3i5", "7net-mf-0")
"""Models of SevenNet whose weights are part of the sevenn wheel."""

FORCE_FIELDS = {
    "MACE-MP-0": "mace",
    "MACE-MP-0b3": "mace",
    "MACE-MPA-0": "mace",
    "MatterSim": "mattersim",
    "CHGNet": "chgnet",
    "M3GNet": "matgl",
    "MatPES-PBE": "matgl",
    "MatPES-r2SCAN": "matgl",
    "FAIRChem": "fairchem",
    "Nequip": "nequip",
    "DeepMD": "deepmd",
    "NEP": "calorine",
    "UPET": "upet",
    "SevenNet": "sevenn",
}
"""Force field, by the name that atomate2 gives it -> the package it needs. SevenNet is for weights of the user."""

PACKAGES = dict.fromkeys(SEVENNET, "sevenn") | FORCE_FIELDS
"""Model -> the package that it needs."""
