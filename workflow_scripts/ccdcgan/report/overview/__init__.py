"""What the report opens with: five numbers, cards of the best crystals, and the comparison of methods."""
