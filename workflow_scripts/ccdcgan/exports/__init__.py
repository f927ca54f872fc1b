"""What a user takes away from a run: the best candidates, and all candidates in the formats of other programs."""
