"""The error a person can mend: one line that names the place and the remedy."""

INTERRUPTED = 130  # what a program ends with after Ctrl-C, as a shell says it: 128 and the number of the signal


class InputError(Exception):
    """Bad input or a missing precondition. The command line prints the message alone and exits with code 2.

    The message names what is wrong, where (file and line, key, identifier), and what to do about it.
    """
