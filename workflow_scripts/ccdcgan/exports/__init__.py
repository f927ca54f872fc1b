"""What a user takes away from a run: the best candidates, and all candidates in the formats of other programs."""

from ccdcgan.exports.best import short_summary, write_best

__all__ = ["short_summary", "write_best"]
