"""Alembic, from code: bring a database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData

MIGRATIONS = Path(__file__).parent / "migrations"


def config(url: str) -> Config:
    """Alembic's configuration for one database; there is no ini file."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["url"] = url
    return settings


def upgrade(url: str) -> None:
    """To the newest revision. Blocks, and runs an event loop of its own: call it in a thread."""
    command.upgrade(config(url), "head")


def draft(url: str, metadata: MetaData, message: str) -> None:
    """Write a new revision with what differs between the database at `url` and `metadata`. For developers."""
    settings = config(url)
    settings.attributes["metadata"] = metadata
    number = len(list((MIGRATIONS / "versions").glob("*.py"))) + 1
    command.revision(settings, message, autogenerate=True, rev_id=f"{number:04d}")


def differences(url: str, metadata: MetaData) -> None:
    """CommandError if the newest schema is not what the tables say. For tests."""
    settings = config(url)
    settings.attributes["metadata"] = metadata
    command.check(settings)
