"""From generators to the candidates that are relaxed: generation, controls, distance rule, ranking, selection."""
