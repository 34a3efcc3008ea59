"""Logging in to a camera: RFC 7617 (Basic) and RFC 7616 (Digest)."""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_DIGEST = re.compile(r"\bDigest\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_FIRST_USE = "00000001"  # of a nonce, as the protocol counts


@dataclass(frozen=True, repr=False)
class Login:
    """A user and a password; never part of a log or a message."""

    user: str
    password: str

    def answer(self, challenges: Iterable[str], target: str) -> str | None:
        """The Authorization header for a GET that was answered with 401.

        Args:
            challenges: its WWW-Authenticate headers. Digest is preferred, as it does not tell the password.
            target: path and query of the request.

        Returns:
            None if neither Basic nor a known kind of Digest is asked for.
        """
        challenges = list(challenges)
        for challenge in challenges:
            if (digest := _DIGEST.search(challenge)) and (
                answer := self._digest(challenge[digest.end() :], target)
            ):
                return answer
        if any(re.search(r"\bBasic\b", challenge, re.IGNORECASE) for challenge in challenges):
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return None

    def _digest(self, challenge: str, target: str) -> str | None:
        asked: dict[str, str] = {}
        for name, quoted, plain in _PARAMETER.findall(challenge):
            asked.setdefault(name.lower(), quoted or plain)  # what comes again belongs to the next challenge
        algorithm = asked.get("algorithm", "MD5").upper()
        new_hash = _HASHES.get(algorithm.removesuffix("-SESS"))
        if not new_hash or "nonce" not in asked:
            return None

        def digest(*parts: str) -> str:
            return new_hash(":".join(parts).encode()).hexdigest()

        realm, nonce, own_nonce = asked.get("realm", ""), asked["nonce"], secrets.token_hex(8)
        secret = digest(self.user, realm, self.password)
        if algorithm.endswith("-SESS"):
            secret = digest(secret, nonce, own_nonce)
        request = digest("GET", target)
        user = re.sub(r'(["\\])', r"\\\1", self.user)
        answer = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
        fields = [f"algorithm={asked['algorithm']}"] if "algorithm" in asked else []
        if "opaque" in asked:
            answer["opaque"] = asked["opaque"]
        if "qop" in asked:
            answer["cnonce"] = own_nonce
            answer["response"] = digest(secret, nonce, _FIRST_USE, own_nonce, "auth", request)
            fields += ["qop=auth", f"nc={_FIRST_USE}"]
        else:
            answer["response"] = digest(secret, nonce, request)
        return "Digest " + ", ".join([*(f'{name}="{value}"' for name, value in answer.items()), *fields])
