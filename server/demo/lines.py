"""What the simulated phone says in the chat, in the office's language."""

from collections.abc import Callable
from pathlib import Path

from babel.messages.pofile import read_po

from server.errors import N_
from server.settings import ROOT

Translate = Callable[[str], str]


GREETING = N_("Hello, this is a simulated phone. The walk you see is drawn, not filmed.")

ANSWERS = (
    N_("Received. We are at this place now: {place}."),
    N_("Understood. I am holding the phone steady: {place}."),
    N_("All right. The picture shows {place}; tell me if you need to see it closer."),
)

PLACES = {
    "street": N_("street in front of the gate"),
    "doorplate": N_("doorplate"),
    "signboard": N_("signboard"),
    "licence": N_("business licence"),
    "laboratory": N_("laboratory"),
    "purity": N_("nameplate of the purity workbench"),
    "balance": N_("nameplate of the electronic balance"),
    "microscope": N_("nameplate of the microscope"),
    "line": N_("processing line"),
    "store": N_("seed store"),
}


def catalogue(language: str, locales: Path = ROOT / "locales") -> Translate:
    """The catalogue's translations for a language tag such as `zh-CN`; the English source where it has none."""
    path = locales / language.replace("-", "_") / "LC_MESSAGES" / "messages.po"
    texts: dict[str, str] = {}
    if path.exists():
        with path.open("rb") as file:
            texts = {str(m.id): str(m.string) for m in read_po(file) if m.id and m.string}
    return lambda message: texts.get(message, message)


def answer(turn: int, place: str, translate: Translate) -> str:
    """The demo's answer to the `turn`-th message it hears while it shows `place` (a key of `PLACES`)."""
    return translate(ANSWERS[turn % len(ANSWERS)]).format(place=translate(PLACES[place]))
