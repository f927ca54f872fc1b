"""Sources of prototypes: AFLOW, OQMD, the Materials Project, OPTIMADE providers, the user's files."""
