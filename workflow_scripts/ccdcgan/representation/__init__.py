"""Crystals as voxels, latents and crystal graphs, and their decoding."""
