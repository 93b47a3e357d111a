"""The command line in the tests' own process, leaving the logging as it was."""

import structlog

from server.cli import main


def yunkan(*words: str) -> int:
    """The exit code of `yunkan WORDS`. What it set up for logging writes into a stream that ends with the test."""
    try:
        return main(list(words))
    finally:
        structlog.reset_defaults()
