"""What the last expression of a console or of a notebook's cell shows of an object."""

from html import escape

__all__ = ["Printed"]


class Printed:
    """Shows what `print` says of it.

    Examples
    --------
    >>> class Sentence(Printed):
    ...     def __str__(self):
    ...         return "a < b"
    >>> Sentence()
    a < b
    >>> Sentence()._repr_html_()
    '<pre>a &lt; b</pre>'
    """

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"
