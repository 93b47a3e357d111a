"""The tree of meaningful errors. A feature raises what happened; only `web` knows HTTP status codes.

`code` is stable and for programs. `text` is an English message id, translated when it is shown;
its `{name}` fields are filled from `params`.
"""

from __future__ import annotations

from typing import Any, ClassVar


def N_(text: str) -> str:  # noqa: N802 - the field's name for "translate later"
    """Marks a message id for extraction where it is defined; it is translated where it is shown."""
    return text


class YunkanError(Exception):
    """Base of all errors that are meant for people or clients."""

    code: ClassVar[str] = "error"
    text: ClassVar[str] = N_("Something went wrong.")

    def __init__(self, **params: Any) -> None:
        super().__init__(self.code, params)
        self.params = params


class Invalid(YunkanError):
    """Input that cannot be accepted. `fields` maps a field's name to the message id that says why."""

    code = "invalid"
    text = N_("Some of what was sent cannot be accepted.")

    def __init__(self, fields: dict[str, str] | None = None, **params: Any) -> None:
        super().__init__(**params)
        self.fields = fields or {}


class Unauthenticated(YunkanError):
    code = "unauthenticated"
    text = N_("Please sign in first.")


class Forbidden(YunkanError):
    code = "forbidden"
    text = N_("Your role does not allow this.")


class NotFound(YunkanError):
    code = "not_found"
    text = N_("There is nothing at this address.")


class Conflict(YunkanError):
    """The thing is not in a state in which this can be done; somebody may have been first."""

    code = "conflict"
    text = N_("This cannot be done in the present state.")


class Gone(YunkanError):
    code = "gone"
    text = N_("This is no longer available.")


class TooEarly(YunkanError):
    code = "too_early"
    text = N_("It is too early for this.")


class TooLarge(YunkanError):
    code = "too_large"
    text = N_("What was sent is too large.")


class Throttled(YunkanError):
    code = "throttled"
    text = N_("Too many attempts. Please wait {seconds} seconds.")


class Unavailable(YunkanError):
    code = "unavailable"
    text = N_("The service cannot do this at the moment. Please try again shortly.")


class StorageFull(YunkanError):
    code = "storage_full"
    text = N_("The server's disk is nearly full. Nothing was lost, but no new inspection can be started.")
