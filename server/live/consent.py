"""Agreeing to the two texts: that the words which were shown are those of today, and what the log keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.errors import N_, Conflict
from server.inspections.log import Journal
from server.inspections.texts import Audience, ConsentText, current_texts


class ConsentRequired(Conflict):
    """Not agreed to the texts of today, each for itself; `texts` are these."""

    code = "consent_required"
    text = N_("Please read and agree to both texts first.")


@dataclass(frozen=True, slots=True)
class Agreed:
    """One text as a client names it: its version; a page also names the language and the digest of what it showed."""

    version: str
    sha256: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody agreed to, notice and recording apart."""

    notice: Agreed
    recording: Agreed


@dataclass(frozen=True, slots=True)
class Given:
    """A text that was agreed to. `named` is how well: by the digest of its words, or by its version only."""

    text: ConsentText
    named: Literal["digest", "version"]


def require_consent(consent: Consent | None, audience: Audience, language: str) -> tuple[Given, ...]:
    """What was agreed to, if it is all that is asked today. `language`: of the request, for who names none.

    ConsentRequired otherwise. A guest's program may join without (as it always could): then nothing was given.
    """
    if consent is None and audience == "guest":
        return ()
    given = [
        given
        for kind in ("notice", "recording")
        if (given := _given(getattr(consent, kind, None), kind, audience, language)) is not None
    ]
    if len(given) < 2:
        raise ConsentRequired(texts=[text.as_json() for text in current_texts(language, audience)])
    return tuple(given)


def _given(agreed: Agreed | None, kind: str, audience: Audience, language: str) -> Given | None:
    if agreed is None:
        return None
    texts = current_texts(agreed.language or language, audience)
    text = next(one for one in texts if one.kind == kind)
    if agreed.version != text.version or agreed.sha256 not in (None, text.sha256):
        return None
    return Given(text, "digest" if agreed.sha256 else "version")


async def record_consent(
    session: AsyncSession,
    journal: Journal,
    inspection_id: str,
    actor: Actor,
    given: tuple[Given, ...],
) -> None:
    """One event for each text. `actor` is the participant under the name of the person who agreed."""
    for one in given:
        body: dict[str, Any] = {
            "participant": actor.id,
            "audience": one.text.audience,
            "kind": one.text.kind,
            "version": one.text.version,
            "language": one.text.language,
            "sha256": one.text.sha256,
            "named": one.named,
        }
        await journal.append(session, inspection_id, "consent.given", actor, body)
