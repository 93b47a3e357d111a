"""What can be wrong with evidence, as errors that carry their own explanation."""

from __future__ import annotations

from typing import ClassVar


def N_(text: str) -> str:  # noqa: N802  (gettext's own name for "translate later")
    """Marks a message for the catalogues; it is translated where it is shown."""
    return text


def printable(text: object) -> str:
    """One line, with nothing in it that a terminal would obey: names in a package may be anybody's."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


class EvidenceError(Exception):
    """`code` is for programs; `text` with `params` filled in is for people, in English until it is translated."""

    code: ClassVar[str] = "evidence"
    text: ClassVar[str] = N_("The evidence cannot be processed.")

    def __init__(self, **params: object) -> None:
        self.params = params
        super().__init__(self.text.format(**params))
