"""Files and folders that are their owner's alone, whatever the umask says."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_FILE, _FOLDER = 0o600, 0o700


def create_private(path: Path, text: str = "") -> None:
    """Make the file, on the disk when this returns; raises FileExistsError when there is one already."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE), "w", encoding="utf-8") as file:
        _own(file.fileno(), _FILE)  # a umask may only have taken rights away: the owner's own among them
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_private(path: Path, text: str) -> None:
    """Make the file or put another one in its place, whole or not at all; raises OSError.

    A link is replaced, not followed.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        create_private(draft, text)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def private_folder(path: Path) -> None:
    """Make the folder and those above it that are missing; one that exists is left as it is."""
    missing = [path, *path.parents]
    for folder in reversed(missing[: next((n for n, f in enumerate(missing) if f.exists()), 0)]):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=_FOLDER)
            if os.name == "posix":
                folder.chmod(_FOLDER)


def _own(descriptor: int, mode: int) -> None:
    if os.name == "posix":
        os.fchmod(descriptor, mode)
