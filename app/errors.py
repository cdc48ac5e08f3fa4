"""The error a person can mend: one line that names the place and the remedy."""


class InputError(Exception):
    """Bad input or a missing precondition. The command line prints the message alone and exits with code 2.

    The message names what is wrong, where (file and line, key, identifier), and what to do about it.
    """
