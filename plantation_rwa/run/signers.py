"""Who signs: a key in the environment, a keystore file, or a command; keys are read here and kept nowhere."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from plantation_rwa.attest.attestation import Signature, attestation_digest
from plantation_rwa.attest.checking import day_of
from plantation_rwa.attest.hashing import bytes32
from plantation_rwa.attest.signing import recover
from plantation_rwa.config import Config
from plantation_rwa.config_attest import SignerConfig
from plantation_rwa.errors import PlantationError

#: shortest secret that cannot be found by trying
SECRET_CHARACTERS = 32
_COMMAND_SECONDS = 120


class Signer(Protocol):
    """Signs the digest of an attestation."""

    def sign(self, attestation: Mapping[str, Any]) -> str:
        """65 bytes r, s, v as ``0x`` text over ``attestation['digest']``."""
        ...


@dataclass(frozen=True)
class EnvironmentKey:
    """A private key of 32 bytes, hexadecimal, in an environment variable."""

    name: str

    def sign(self, attestation: Mapping[str, Any]) -> str:
        """See :class:`Signer`."""
        text = os.environ.get(self.name, "")
        if not text:
            raise PlantationError(f"attest.signers: environment variable {self.name} is not set. Set it to the key.")
        return _signed_with(text, attestation, f"environment variable {self.name}")


@dataclass(frozen=True)
class Keystore:
    """A Web3 secret storage file (version 3); its password in an environment variable."""

    path: Path
    password_env: str

    def sign(self, attestation: Mapping[str, Any]) -> str:
        """See :class:`Signer`."""
        from eth_keyfile.keyfile import extract_key_from_keyfile

        password = os.environ.get(self.password_env, "")
        if not password:
            raise PlantationError(
                f"attest.signers: environment variable {self.password_env} is not set. Set it to the password."
            )
        try:
            key = extract_key_from_keyfile(str(self.path), password.encode())
        except Exception as error:
            # what libraries say of a key may hold parts of it
            raise PlantationError(
                f"attest.signers: keystore {self.path.name} cannot be opened ({type(error).__name__}). "
                "Check file and password."
            ) from None
        return _signed_with(key.hex(), attestation, f"keystore {self.path.name}")


@dataclass(frozen=True)
class Command:
    """A program that keeps the key (a hardware module, a wallet, a cloud service): digest and typed data go in as
    JSON on standard input, the signature comes out as ``0x`` text."""

    command: tuple[str, ...]

    def sign(self, attestation: Mapping[str, Any]) -> str:
        """See :class:`Signer`."""
        asked = json.dumps({"digest": attestation["digest"], "typed_data": attestation["typed_data"]})
        name = Path(self.command[0]).name
        try:
            done = subprocess.run(
                self.command, input=asked, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise PlantationError(f"attest.signers: command {name} did not run ({type(error).__name__}).") from None
        if done.returncode != 0:
            raise PlantationError(f"attest.signers: command {name} ended with {done.returncode}; nothing was signed.")
        return done.stdout.strip()


def signer_of(config: SignerConfig) -> Signer:
    """The signer that a configuration names."""
    if config.env is not None:
        return EnvironmentKey(config.env)
    if config.keystore is not None:
        return Keystore(Path(config.keystore), config.password_env or "")
    return Command(tuple(config.command or ()))


def signatures(
    signers: Sequence[SignerConfig], attestation: Mapping[str, Any], kept: Sequence[Signature]
) -> list[Signature]:
    """Signatures of some signers, and those kept of roles that do not sign now.

    Raises
    ------
    PlantationError
        If a signer cannot sign, or returns what is no signature of the digest; nothing of the key is told.
    """
    made = []
    for signer in signers:
        text = signer_of(signer).sign(attestation)
        try:
            address = recover(bytes32(attestation_digest(attestation)), text)
        except ValueError as error:
            raise PlantationError(f"attest.signers: {signer.role} did not return a signature ({error}).") from None
        made.append(Signature(signer.role, address, text))
    roles = {s.role for s in made}
    return [*made, *(s for s in kept if s.role not in roles)]


def seconds_now() -> int:
    """Seconds since 1970."""
    return int(dt.datetime.now(dt.UTC).timestamp())


def still_valid(message: Mapping[str, Any], what: str) -> None:
    """Refuse to sign what is expired as it is signed, or never was valid.

    Parameters
    ----------
    message
        Of the attestation.
    what
        Its name in the error.

    Raises
    ------
    PlantationError
        With the way out: a longer validity is another attestation, and says what it is.
    """
    of, until, now = int(message["asOf"]), int(message["validUntil"]), seconds_now()
    if of <= until and now <= until:
        return
    raise PlantationError(
        f"{what} is valid until {day_of(until)}, today is {day_of(now)}: nothing expired is signed. For a past date "
        "raise attest.valid_days in valuation.assumptions and run it again, or leave attest.signers out."
    )


def salt_secret(config: Config) -> bytes | None:
    """The issuer's secret behind the salts; None if the environment holds none.

    Raises
    ------
    PlantationError
        If it is so short that it could be found by trying.
    """
    text = os.environ.get(config.attest.salt_env, "")
    if text and len(text) < SECRET_CHARACTERS:
        raise PlantationError(
            f"environment variable {config.attest.salt_env} is too short: the secret of the salts needs at least "
            f"{SECRET_CHARACTERS} random characters."
        )
    return text.encode() if text else None


def _signed_with(text: str, attestation: Mapping[str, Any], where: str) -> str:
    from plantation_rwa.attest.signing import sign

    try:
        return sign(bytes32(attestation["digest"]), text)
    except Exception as error:
        # what the library says of a key may hold parts of it: only the kind of error is told
        raise PlantationError(
            f"attest.signers: {where} holds no usable key ({type(error).__name__}). It must be 32 bytes in hexadecimal."
        ) from None
