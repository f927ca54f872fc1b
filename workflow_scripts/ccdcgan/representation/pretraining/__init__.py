"""Pre-training of the autoencoders on the prototypes of all sources shipped, and the weights that result."""
