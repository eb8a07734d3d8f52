"""Encryption of what must not be read from a stolen state: the keys lie outside the database."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from syncline.connect.secrets import register
from syncline.privatefile import create_private, private_folder, write_private
from syncline.store.database import StoreError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

KEY_VARIABLE = "SYNCLINE_KEY"
_HOW_TO_MAKE_ONE = (
    "a key is 32 random bytes in URL-safe base64; make one with: python3 -c"
    ' "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
)


class Cipher:
    """Encrypts with the first of its keys, decrypts with any of them."""

    def __init__(
        self, keys: Sequence[str], source: str, *, again: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """``source``: where the keys come from, for messages. ``again``: reads them anew, since another
        process may have changed the key while this one works. Raises :class:`StoreError` for a bad key."""
        self._source = source
        self._again = again
        if not keys:
            raise StoreError(f"{source} holds no key", fix=_HOW_TO_MAKE_ONE)
        register(*keys)
        self._keys = tuple(keys)
        self._built: MultiFernet | None = None
        self._fernet()

    def __repr__(self) -> str:
        return f"Cipher({len(self._keys)} keys from {self._source})"

    def encrypt(self, text: str) -> bytes:
        return self._fernet().encrypt(text.encode())

    def decrypt(self, secret: bytes) -> str:
        """Raises :class:`StoreError` when none of the keys fits."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(secret).decode()
        except InvalidToken as error:
            if self._read_again():
                return self.decrypt(secret)
            raise self._wrong() from error

    def rotated(self, secret: bytes) -> bytes:
        """The same content under the first key. Raises :class:`StoreError` when none of the keys fits."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().rotate(secret)
        except InvalidToken as error:
            raise self._wrong() from error

    @property
    def source(self) -> str:
        return self._source

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    def _read_again(self) -> bool:
        """Whether there are other keys by now."""
        keys = tuple(self._again()) if self._again is not None else self._keys
        if keys == self._keys:
            return False
        register(*keys)
        self._keys, self._built = keys, None
        return True

    def _fernet(self) -> MultiFernet:
        if self._built is None:
            from cryptography.fernet import Fernet, MultiFernet

            made = []
            for number, key in enumerate(self._keys, 1):
                try:
                    made.append(Fernet(key))
                except ValueError as error:
                    raise StoreError(
                        f"key {number} of {self._source} is not a key", fix=_HOW_TO_MAKE_ONE
                    ) from error
            self._built = MultiFernet(made)
        return self._built

    def _wrong(self) -> StoreError:
        return StoreError(
            f"the saved sign-ins were encrypted with another key than that of {self._source}",
            fix=f"bring back the old key (in {KEY_VARIABLE} or the key file, after the new one), or run"
            " `syncline connect` again for every system",
        )


def load_cipher(environ: Mapping[str, str], key_file: Path, *, create: bool = True) -> Cipher:
    """The cipher of ``SYNCLINE_KEY`` (keys with commas between, the first encrypts), else of the key file.

    ``key_file``: one key a line, the first encrypts, readable by its owner alone; made on first need when
    ``create``. Raises :class:`StoreError`: no key, a bad key, a file that others can read.
    """
    from_environ = [key.strip() for key in environ.get(KEY_VARIABLE, "").split(",") if key.strip()]
    if from_environ:
        return Cipher(from_environ, KEY_VARIABLE)
    if create:
        _make_key_file(key_file)
    return _of_file(key_file)


def new_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def prepend_key(key_file: Path, key: str) -> Cipher:
    """Make ``key`` the one that encrypts; the older ones still decrypt. Returns the file's cipher.

    The first step of changing the key: then re-encrypt every secret
    (:meth:`syncline.store.vault.Vault.rotate`), then :func:`drop_old_keys`.
    """
    _replace_key_file(key_file, [key, *_read_key_file(key_file)])
    return _of_file(key_file)


def drop_old_keys(key_file: Path) -> Cipher:
    """Keep only the key that encrypts; the last step of changing the key."""
    _replace_key_file(key_file, _read_key_file(key_file)[:1])
    return _of_file(key_file)


def _of_file(path: Path) -> Cipher:
    return Cipher(_read_key_file(path), f"the key file {path}", again=lambda: _read_key_file(path))


def _read_key_file(path: Path) -> list[str]:
    try:
        # The opened file is judged, not the name: it could be changed in between.
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise StoreError(f"the key file {path} can be read by others", fix=f"chmod 600 {path}")
            return [line.strip() for line in file if line.strip() and not line.startswith("#")]
    except FileNotFoundError as error:
        raise StoreError(
            f"there is no key: {KEY_VARIABLE} is not set and {path} does not exist",
            fix="bring back the key that the sign-ins were saved with, or run `syncline connect` again",
        ) from error
    except UnicodeDecodeError as error:
        raise StoreError(f"the key file {path} is not a text of keys", fix=_HOW_TO_MAKE_ONE) from error
    except OSError as error:
        raise StoreError(
            f"the key file {path} cannot be read: {error.strerror}", fix=f"make it yours: chmod 600 {path}"
        ) from error


def _make_key_file(path: Path) -> None:
    """Write a new key, unless there is a file. Two processes may try at once: one file wins, whole."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        private_folder(path.parent)
        create_private(draft, f"{new_key()}\n")
        # A hard link is refused where the name exists and never shows half a file.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    except OSError as error:
        raise StoreError(
            f"the key file {path} cannot be made: {error.strerror}",
            fix=f"make its folder writable, or put a key into {KEY_VARIABLE}",
        ) from error


def _replace_key_file(path: Path, keys: Sequence[str]) -> None:
    Cipher(keys, f"the key file {path}")  # refuses a bad key before the file is touched
    try:
        write_private(path, "".join(f"{key}\n" for key in keys))
    except OSError as error:
        raise StoreError(
            f"the key file {path} cannot be written: {error.strerror}", fix="make room"
        ) from error
