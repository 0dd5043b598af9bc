"""The manifest of a valuation date: what was used, what was made, each with its hash; written last."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from plantation_rwa import CONTRACT_VERSION, __version__
from plantation_rwa.errors import ContractError, PublishError
from plantation_rwa.json_text import parsed
from plantation_rwa.publish.files import write_text_atomically

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """One published file.

    Parameters
    ----------
    stage, table
        Who made it and what it holds.
    partition
        Text such as ``month=2026-05`` or ``as_of=2026-05-31``.
    path
        Relative to the output folder, with forward slashes.
    fingerprint
        Identity of the partition: hash of its ``components``.
    components
        Short hashes of what the partition depends on, so that a plan can say what changed.
    problems
        Scenes that could not be read: (file, scene, band, message, plantation).
    """

    stage: str
    table: str
    partition: str
    path: str
    sha256: str
    bytes: int
    rows: int
    fingerprint: str
    components: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Everything a reader needs to know which files belong to a valuation date.

    Parameters
    ----------
    inputs
        Hash and rows of each table as it was known.
    profile
        For whom: the others than ``full`` leave columns and files out.
    provenance
        Origin, licence and classification of each configured input.
    """

    as_of: str
    portfolio: str
    simulated: bool
    code: Mapping[str, str]
    configuration: Mapping[str, Any]
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: tuple[Output, ...]
    contract_version: str = CONTRACT_VERSION
    profile: str = "full"
    provenance: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, *stages: str) -> tuple[Output, ...]:
        """Outputs of some stages."""
        return tuple(o for o in self.outputs if o.stage in stages)

    def tables(self, name: str) -> tuple[Output, ...]:
        """Outputs that hold one table."""
        return tuple(o for o in self.outputs if o.table == name)

    def with_outputs(self, outputs: Iterable[Output]) -> Manifest:
        """A copy with other outputs, in a fixed order."""
        return replace(self, outputs=tuple(sorted(outputs, key=lambda o: (o.stage, o.path))))

    def text(self) -> str:
        """Canonical JSON, the same bytes for the same content, with the SHA-256 of all the rest of it."""
        return _sealed(asdict(self))


def manifest_path(root: Path, as_of: str) -> Path:
    """Where the manifest of a date lies."""
    return root / "manifests" / f"as_of={as_of}.json"


def save(root: Path, manifest: Manifest) -> None:
    """Write the manifest atomically; from this moment its outputs are published."""
    write_text_atomically(manifest_path(root, manifest.as_of), manifest.text())
    _LOG.info("published %s: %d files", manifest.as_of, len(manifest.outputs))


def load(root: Path, as_of: str) -> Manifest | None:
    """Manifest of a date, None if there is none; a damaged one raises :class:`PublishError`."""
    path = manifest_path(root, as_of)
    return _read(path) if path.exists() else None


def load_all(root: Path) -> list[Manifest]:
    """Manifests of all dates, oldest first."""
    return [_read(path) for path in sorted((root / "manifests").glob("as_of=*.json"))]


def manifest_stamp(root: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a manifest below a folder is written: name, size and time of each."""
    found = [(path.name, path.stat()) for path in sorted((root / "manifests").glob("as_of=*.json"))]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file; one that cannot be read raises :class:`PublishError`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _closed(path, error) from error


def damaged(root: Path, outputs: Iterable[Output]) -> list[str]:
    """What is wrong with published files: missing or changed ones, each named.

    Raises
    ------
    PublishError
        If a file is there and may not be read: it is not known to be damaged, and must not be made again in silence.
    """
    found = []
    for output in outputs:
        path = root / output.path
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            found.append(f"{output.path}: missing")
            continue
        except OSError as error:
            raise _closed(path, error) from error
        if not path.is_file() or size != output.bytes or sha256_of(path) != output.sha256:
            found.append(f"{output.path}: differs from its manifest")
    return found


def code_version(fingerprint: str) -> dict[str, str]:
    """The code entry of a manifest."""
    return {"version": __version__, "sha256": fingerprint}


def untouched(path: Path) -> bool:
    """Whether a manifest holds, byte for byte, what :func:`save` wrote, be it that of another version."""
    content = raw_manifest(path)
    content.pop("sha256", None)
    return _bytes(path) == _sealed(content).encode()


def raw_manifest(path: Path) -> dict[str, Any]:
    """The members of a manifest of any version; what is none raises :class:`PublishError`."""
    try:
        raw = parsed(path.read_text("utf-8"))
    except OSError as error:
        raise _closed(path, error) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"it is no JSON, or not all of it: {error}") from error
    if not isinstance(raw, dict):
        raise _unreadable(path, "it is no JSON object")
    return raw


def _sealed(content: Mapping[str, Any]) -> str:
    return _canonical({**content, "sha256": hashlib.sha256(_canonical(content).encode()).hexdigest()})


def _unreadable(path: Path, reason: str) -> PublishError:
    remedy = "Put back a copy of it, or remove it and run its date again."
    return PublishError(f"{path.name}: is not a readable manifest ({reason}). {remedy}")


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _closed(path, error) from error


def _closed(path: Path, error: OSError) -> PublishError:
    return PublishError(f"{path}: cannot be read ({error.strerror or error}). Check rights.")


def _read(path: Path) -> Manifest:
    raw = raw_manifest(path)
    try:
        raw.pop("sha256", None)
        version = raw["contract_version"]
        if not isinstance(version, str):
            raise ContractError(
                f"{path.name}: contract_version is no text (got {version!r}), as no manifest has it that this program "
                "knows. Put back a copy of it, or use the program that wrote it."
            )
        if version != CONTRACT_VERSION:
            raise ContractError(
                f"{path.name}: written for contract version {version!r}, this program knows '{CONTRACT_VERSION}'. "
                "Use the program that wrote it, or another output folder."
            )
        outputs = tuple(Output(**{**o, "problems": tuple(tuple(p) for p in o["problems"])}) for o in raw.pop("outputs"))
        return Manifest(**raw, outputs=outputs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error
