"""Changing the key that sign-ins are encrypted with, in steps of which none locks anybody out.

The new key is put before the old ones, then every sign-in of the state is encrypted anew; ended anywhere, it
can be run again. The old keys stay, since another state or a backup may need them, until they are told to go.
"""

from __future__ import annotations

from msgspec import Struct

from syncline.errors import SynclineError
from syncline.run.workspace import Workspace
from syncline.store.crypto import KEY_VARIABLE, drop_old_keys, load_cipher, new_key, prepend_key
from syncline.store.vault import Vault


class Rotated(Struct, frozen=True, kw_only=True):
    """``sign_ins``: how many are encrypted with the first key now; ``old_keys``: how many still decrypt;
    ``source``: where the keys are."""

    sign_ins: int
    old_keys: int
    source: str


def rotate_key(workspace: Workspace, *, forget: bool) -> Rotated:
    """Encrypt the sign-ins of this state with a new key, or, to ``forget``, with the first one there is, and
    keep no other. Raises SynclineError; then everything can still be read with the keys there are."""
    file = workspace.key_file
    if workspace.environ.get(KEY_VARIABLE):
        return _from_environment(workspace)
    with workspace.leases.hold(
        "keys", wait_s=10.0
    ):  # two at once would each write the file without the other
        if not forget:
            cipher = prepend_key(file, new_key())
        else:
            _refuse_while_working(workspace)
            cipher = load_cipher({}, file, create=False)
        count = Vault(workspace.database, cipher).rotate(workspace.spec.name)
        if forget:
            cipher = drop_old_keys(file)
    return Rotated(sign_ins=count, old_keys=len(cipher) - 1, source=cipher.source)


def _refuse_while_working(workspace: Workspace) -> None:
    working = [key for key in workspace.leases.held() if key != "keys"]
    if working:
        raise SynclineError(
            f"a pass is at work ({', '.join(working)}), and may still save with an old key",
            fix="wait for it to end; then forget the old keys",
        )


def _from_environment(workspace: Workspace) -> Rotated:
    """The keys are somebody else's to keep: the sign-ins follow the first of them."""
    cipher = load_cipher(workspace.environ, workspace.key_file)
    if len(cipher) < 2:
        raise SynclineError(
            f"{KEY_VARIABLE} holds one key, and the new one must stand before it",
            fix=f"set {KEY_VARIABLE} to the new key, a comma and the old one, and run this again",
        )
    count = Vault(workspace.database, cipher).rotate(workspace.spec.name)
    return Rotated(sign_ins=count, old_keys=len(cipher) - 1, source=cipher.source)
