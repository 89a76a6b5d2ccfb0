"""Defines the one error of a file that cannot be read."""


class FormatError(ValueError):
    """Says what is wrong with a file that is not a whole, untouched `.jxc` file."""
