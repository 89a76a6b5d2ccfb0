"""Holds a console that shows text as it is."""

from typing import Any

from rich.console import Console
from rich.text import Text

from jaxcomp.printable import printable


class PlainConsole(Console):
    """Shows strings, in tables too, as text: not as markup, and with control characters escaped.

    Names in files and paths may hold both.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """See `Console`; styles in strings are ignored."""
        return super().render_str(printable(text), **options | {"markup": False, "emoji": False})
