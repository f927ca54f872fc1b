"""Inverse design of crystals: representation, generative models and evaluation (Long et al., CCDCGAN).

The science of the workflow, free of Snakemake and of fixed paths. Energies are in eV, lengths in angstrom,
angles in degrees. Import the modules you need; heavy libraries are only imported by the modules that use them.
"""

import os

# By default TensorFlow uses oneDNN only on processors with instructions for neural networks (AVX512_VNNI and later). On
# others its own 3D convolutions are a hundred times slower. The variable is read when TensorFlow is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
