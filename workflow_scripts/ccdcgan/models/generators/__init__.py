"""The generators: GANs, flow and variational autoencoder, from noise to crystal graphs."""
