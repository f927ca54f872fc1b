"""Readers of structure files: CIF, POSCAR, extended XYZ, ASE databases and JSON of pymatgen."""
