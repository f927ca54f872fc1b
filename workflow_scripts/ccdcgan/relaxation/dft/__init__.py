"""Engines that compute with density functional theory: VASP and GPAW, with their inputs."""
