"""Escapes text from files and users that could change what a screen or a table shows."""


def printable(text: str) -> str:
    r"""Escape what is not printable, as Python writes it: `a\nb` for a text of two lines.

    Names in files can have codes that move the cursor, recolor the screen or hide what follows.

    Example:
      >>> from jaxcomp.printable import printable
      >>> print(printable("kernel" + chr(10) + "bias"))
      kernel\nbias
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def table_cell(text: str) -> str:
    r"""Escape what is not printable, and the bars that end a cell in Markdown.

    Example:
      >>> from jaxcomp.printable import table_cell
      >>> print(table_cell("a|b"))
      a\|b
    """
    return printable(text).replace("|", r"\|")
