"""The sandbox's signing keys: the newest signs, and all of them stay in the set.

Source: contract, section 6.2; no rotation is documented, so the order and the overlap are a guess.
"""

import secrets

from lamina_core import signing
from lamina_core.sandbox.state import State

_FIRST_KEY_ID = "lamina-webhook-v1"


class KeyRing:
    """The keys as the state remembers them; the first one is made when there is none."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._keys = [signing.SigningKey.from_seed(key_id, seed) for key_id, seed in state.signing_keys()]
        if not self._keys:
            self._add(_FIRST_KEY_ID)

    def current(self) -> signing.SigningKey:
        """Return the key that signs."""
        return self._keys[0]

    def rotate(self) -> None:
        """Put a new key in front of the set."""
        self._add(f"lamina-webhook-v{len(self._keys) + 1}")

    def jwks(self) -> list[dict[str, str]]:
        """Return the public keys, the signing one first."""
        return [signing.to_jwk(key.public()) for key in self._keys]

    def _add(self, key_id: str) -> None:
        seed = secrets.token_bytes(32)
        self._state.add_signing_key(key_id, seed)
        self._keys.insert(0, signing.SigningKey.from_seed(key_id, seed))
