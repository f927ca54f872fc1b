"""Results of a run as files: the best candidates, and all candidates in the formats of other programs."""
