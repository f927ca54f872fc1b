"""The database: prototypes, substitution, references, formation energies, hull distances and training splits."""
