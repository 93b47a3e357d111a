"""What an uploaded paper really is, told by its bytes and by opening it."""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import N_, Invalid, Unavailable
from server.vision import pictures


@dataclass(frozen=True, slots=True)
class PaperType:
    media_type: str
    extension: str


PDF = PaperType("application/pdf", "pdf")
JPEG, PNG, WEBP = (
    PaperType(kind, pictures.EXTENSIONS[kind]) for kind in (pictures.JPEG, pictures.PNG, pictures.WEBP)
)
EXTENSIONS = {kind.media_type: kind.extension for kind in (PDF, JPEG, PNG, WEBP)}


class UnknownPaper(Invalid):
    code = "unknown_paper"
    text = N_("This file is not a PDF and not a JPEG, PNG or WebP picture.")


class BrokenPaper(Invalid):
    code = "broken_paper"
    text = N_("This file is damaged or incomplete and cannot be opened.")


async def recognise(data: bytes) -> PaperType:
    """The type of a paper. UnknownPaper, BrokenPaper, Unavailable; a file's name has no say in it."""
    if data.startswith(b"%PDF-"):
        # A PDF is read from its end: without the trailer no reader opens it.
        if b"%%EOF" not in data[-2048:] or b"startxref" not in data[-2048:]:
            raise BrokenPaper
        return PDF
    try:
        picture = await pictures.recognise(lambda: data)
    except pictures.NotAPicture as error:
        raise UnknownPaper from error
    except pictures.BrokenPicture as error:
        raise BrokenPaper from error
    except pictures.NotOpenedNow as error:
        raise Unavailable from error
    return PaperType(picture.media_type, pictures.EXTENSIONS[picture.media_type])
