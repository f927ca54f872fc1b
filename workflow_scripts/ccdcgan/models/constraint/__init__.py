"""The constraint: a differentiable map from crystal graphs to a property."""
