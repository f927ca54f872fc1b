"""The exception for errors of the user's input, whose message says how to fix them."""


class InputError(ValueError):
    """Invalid input. The message names the file or key, the value found, what is allowed and what to do next."""
