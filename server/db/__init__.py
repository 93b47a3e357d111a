"""Engine, transactions, declarative base and migrations."""

from server.db.base import Base, UtcDateTime
from server.db.database import Database, after_commit

__all__ = ["Base", "Database", "UtcDateTime", "after_commit"]
