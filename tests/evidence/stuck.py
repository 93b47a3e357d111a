"""A folder that cannot be removed, also by root, as of another owner or on a disk that is read only by now."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def refusing(stuck: Path) -> Callable[..., None]:
    """Instead of `shutil.rmtree`: as the real one, but for this folder."""
    remove = shutil.rmtree

    def removed(path: Path, ignore_errors: bool = False) -> None:
        if Path(path) != stuck:
            remove(path, ignore_errors)
        elif not ignore_errors:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    return removed
