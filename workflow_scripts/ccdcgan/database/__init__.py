"""The database: prototypes, substitution, references, formation energies, hull distances, splits."""
