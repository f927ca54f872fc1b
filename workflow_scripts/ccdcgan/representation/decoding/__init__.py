"""Parts of the decoding of many voxels at once: peaks, fits of Gaussians, cells, and the decoder as matrix products."""
