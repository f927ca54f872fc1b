"""Inverse design of crystals: representation, generative models and evaluation (Long et al., CCDCGAN).

The science of the workflow, free of Snakemake and of fixed paths. Energies are in eV, lengths in angstrom,
angles in degrees. Import the modules you need; heavy libraries are only imported by the modules that use them.
"""
