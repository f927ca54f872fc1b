"""The one exception that means: the input is at fault, and this sentence says how to mend it."""


class InputError(ValueError):
    """Bad input: names the file or key, what was found, what is allowed and what to do next."""
