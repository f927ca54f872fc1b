"""Sources of prototypes: AFLOW, OQMD, the Materials Project, OPTIMADE providers and files of the user."""
