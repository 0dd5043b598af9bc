"""The commands ``verify``, ``prove`` and ``sign``."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from plantation_rwa.attest.attestation import ROLES
from plantation_rwa.attest.checking import Findings, Trust, end_of_day
from plantation_rwa.attest.signing import is_address
from plantation_rwa.cli.console import error, legible, result, say
from plantation_rwa.config_attest import SignerConfig
from plantation_rwa.errors import PlantationError
from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.publish.working_copy import fetched
from plantation_rwa.run.prove import prove as make_proof
from plantation_rwa.run.session import folder_of, ready
from plantation_rwa.run.sign import sign as make_signature
from plantation_rwa.run.verify import verify as check
from plantation_rwa.stores import is_store, read_object


def verify(
    uri: str, replay: Path | None, signer: Sequence[str], threshold: int | None, at: dt.date | None, runner: str
) -> int:
    """Check an output folder or a proof and print what was found; see ``plantation-rwa verify --help``."""
    trust = Trust(_signers(signer), threshold, _moment(at))
    if threshold is not None and not 0 <= threshold <= len(trust.signers):
        raise PlantationError(f"--threshold: {threshold} is impossible, --signer gives {len(trust.signers)} roles.")
    with readable(uri) as place:
        found = check(place, trust)
        if replay is not None:
            from plantation_rwa.run.replay import replay as recompute

            recompute(place, replay, runner, found)
    return _told(found)


def prove(uri: str, plantation: str, right: str | None, as_of: dt.date | None, out: Path | None) -> int:
    """Write one right's proof and say where; see ``plantation-rwa prove --help``."""
    with readable(uri) as place:
        document = make_proof(place, plantation, right, None if as_of is None else as_of.isoformat())
    record = document["record"]
    name = "_".join(re.sub(r"[^A-Za-z0-9.-]", "-", record[k]) for k in ("plantation_id", "right_id", "as_of"))
    path = out or Path(f"{name.lstrip('.')}.proof.json")
    write_text_atomically(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    result(**{k: record[k] for k in ("plantation_id", "right_id", "as_of")}, file=path)
    say(f"record, salt, proof and attestation of {plantation} {record['right_id']} at {record['as_of']}: {path}")
    return 0


def sign(
    uri: str,
    role: str | None,
    env: str | None,
    keystore: Path | None,
    password_env: str | None,
    command: Sequence[str],
    add: Sequence[Path],
    as_of: dt.date | None,
) -> int:
    """Put a signature under an attestation, or those of its copies; see ``plantation-rwa sign --help``."""
    signers = []
    if role is not None or not add:
        try:
            path = None if keystore is None else str(keystore)
            signers.append(
                SignerConfig.model_validate(
                    {
                        "role": role,
                        "env": env,
                        "keystore": path,
                        "password_env": password_env,
                        "command": command or None,
                    }
                )
            )
        except ValidationError:
            # what was given is not repeated: it might be a key
            raise PlantationError(
                f"sign: has no key to sign with. Give --role ({', '.join(ROLES)}) and one of --env NAME, "
                "--keystore FILE with --password-env NAME, --command PROGRAM; names of environment variables are "
                "capital letters, digits and '_'. "
                "Without a role give --add FILE. Keys never stand on a command line."
            ) from None
    place = Path(uri) if Path(uri).is_file() else ready(uri)
    made = make_signature(place, signers, add, None if as_of is None else as_of.isoformat())
    result(digest=made["digest"], signatures=[{k: s[k] for k in ("role", "signer")} for s in made["signatures"]])
    for signature in made["signatures"]:
        say(f"signed       {signature['role']} {signature['signer']}")
    say(f"digest {made['digest']}", "bold")
    return 0


def _told(found: Findings) -> int:
    unchecked, failed, refused = (
        list(dict.fromkeys(pairs)) for pairs in (found.unchecked, found.failed, found.refused)
    )
    for text in found.checked:
        say(legible(f"checked      {text}"))
    for text in found.noted:
        say(legible(f"noted        {text}"))
    for where, reason in unchecked:
        say(legible(f"not checked  {where}: {reason}"))
    for where, reason in failed:
        error(legible(f"{where}: {reason}"))
    for where, reason in refused:
        error(legible(f"cannot check {where}: {reason}"))
    result(
        verified=not failed and not refused,
        checked=found.checked,
        noted=found.noted,
        not_checked=[{"where": where, "reason": reason} for where, reason in unchecked],
        cannot_check=[{"where": where, "reason": reason} for where, reason in refused],
    )
    verdict = "everything that was checked is as it should be"
    if unchecked:
        verdict += "; what was not checked stands above"
    say("FAILED" if failed else "COULD NOT CHECK EVERYTHING" if refused else verdict, "bold")
    return 1 if failed else 2 if refused else 0


@contextlib.contextmanager
def readable(uri: str) -> Iterator[Path]:
    """A local folder or file; of an object store what is published there now, for as long as it is looked at."""
    if not is_store(uri):
        yield folder_of(uri)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / uri.rstrip("/").rsplit("/", 1)[-1]
        try:
            if place.suffix == ".json":
                place.write_bytes(read_object(uri))
            else:
                fetched(uri, place)
            yield place
        except PlantationError as error:  # the reader knows the address, not where this works
            raise PlantationError(str(error).replace(str(place), uri)) from None


def _moment(at: dt.date | None) -> int:
    return int(dt.datetime.now(dt.UTC).timestamp()) if at is None else end_of_day(at.isoformat())


def _signers(given: Sequence[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for text in given:
        role, _, address = text.partition("=")
        if role not in ROLES or not is_address(address):
            raise PlantationError(
                f"--signer: '{text}' is not ROLE=ADDRESS with a role of {', '.join(ROLES)} and 0x and 40 hexadecimal "
                "digits."
            )
        found.setdefault(role, set()).add(address.lower())
    return {role: frozenset(addresses) for role, addresses in found.items()}
