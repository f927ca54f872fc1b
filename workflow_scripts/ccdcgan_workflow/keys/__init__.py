"""The keys of the configuration: where they are written, their earlier names, and which have no effect."""
