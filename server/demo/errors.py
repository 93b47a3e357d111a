"""What can go wrong for the simulated phone."""


class Refused(Exception):
    """The service answered with an error (docs/PROTOCOL.md: `{"error": {"code", "message", …}}`)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    @property
    def is_final(self) -> bool:
        """Whether asking again cannot help: the credential is void or the thing is gone."""
        return self.status in {401, 403, 404, 410}


class ServiceUnreachable(Exception):
    """The service could not be reached again within the time a phone would go on trying."""
