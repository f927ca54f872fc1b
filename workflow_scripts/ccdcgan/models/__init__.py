"""The networks: constraint and generators."""
