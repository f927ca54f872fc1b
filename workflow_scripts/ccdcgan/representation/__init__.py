"""Crystals as voxels, latents and crystal graphs, and the way back."""
