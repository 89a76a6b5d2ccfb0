"""The one error of a file that cannot be read."""


class FormatError(ValueError):
    """The file is not a whole, untouched `.jxc` file; the message says what is wrong with it."""
