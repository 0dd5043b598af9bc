"""``verify``: which files are here, which the manifests name, which nobody answers for."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from plantation_rwa.attest.checking import UNREADABLE, Findings, end_of_day
from plantation_rwa.config import fingerprint
from plantation_rwa.errors import ContractError, PublishError
from plantation_rwa.publish.files import LITTER
from plantation_rwa.publish.manifest import Manifest, Output, damaged, load, untouched
from plantation_rwa.run.attest import FILES, FOLDER
from plantation_rwa.run.copies import odd_copies
from plantation_rwa.run.publishing import PAGES
from plantation_rwa.run.reading import CannotCheck, is_inside
from plantation_rwa.run.session import program_hash
from plantation_rwa.run.versions import Foreign, foreign_contract
from plantation_rwa.schema.classification import SHOWN

#: working folders that no manifest of the folder speaks of
_APART = {
    "backtest/": "made by 'backtest', which publishes nothing that is attested",
    "partial/": "made by 'run --only', without attestation; give this folder itself to 'verify'",
}
#: copies that are made again and compared where the results are there in full
_COPIES = ("README.md", "catalog", "latest")
_COPIES_TOLD = "README.md, catalog/, latest/"
#: files of one kind that are named one by one
_SHOWN = 3


def manifests_of(root: Path, out: Findings) -> tuple[list[Manifest], list[Foreign], list[str]]:
    """Readable manifests, oldest first, those of other contract versions, and the dates of those that say nothing.

    What is no manifest of ours is a fault; of one that may not be read, or is of no contract that is known, nobody
    knows, so that it is refused.
    """
    paths = sorted((root / "manifests").glob("*.json"))
    if not paths:
        raise CannotCheck(f"{root}: holds no manifest. Give an output folder of 'run', or a file that 'prove' wrote.")
    found: list[Manifest] = []
    foreign: list[Foreign] = []
    for path in paths:
        name = f"manifests/{path.name}"
        as_of = _date_of(path)
        if not path.is_file():  # a pipe would hold up whoever reads it
            out.fail(name, "is no file")
            continue
        try:
            end_of_day(as_of)
            other = foreign_contract(path, as_of)
            if other is not None:
                inside = tuple(o for o in other.outputs if is_inside(root, o.path))
                out.fail(name, *_outside(other.outputs, inside))
                foreign.append(dataclasses.replace(other, outputs=inside))
                continue
            manifest = load(root, as_of)
            if manifest is None or manifest.as_of != as_of:
                out.fail(name, "speaks of another date than its name says")
                continue
            _check_types(manifest)
            whole = untouched(path)
            outputs = [o for o in manifest.outputs if is_inside(root, o.path)]
            wrong = _outside(manifest.outputs, outputs) + _misplaced(manifest.with_outputs(outputs))
        except PublishError as error:
            told = str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
            if isinstance(error, ContractError) or isinstance(error.__cause__, OSError):
                out.refused.append((name, told))
            else:
                out.fail(name, told)
            continue
        except UNREADABLE as error:
            out.fail(name, f"cannot be read ({type(error).__name__}: {error})")
            continue
        if not whole:
            out.fail(name, "was changed after it was written: its content does not have the hash that it states")
        out.fail(name, *wrong)
        found.append(_as_held(root, manifest.with_outputs(outputs), name, out))
    dates = {m.as_of for m in found} | {f.as_of for f in foreign}
    return (
        found,
        foreign,
        [d for path in paths if path.name.startswith("as_of=") and (d := _date_of(path)) not in dates],
    )


def _date_of(path: Path) -> str:
    return path.stem.removeprefix("as_of=")


def check_files(
    root: Path, manifests: Sequence[Manifest], foreign: Sequence[Foreign], unread: Sequence[str], out: Findings
) -> None:
    """Files that are missing, changed, or named by no manifest, and all that is here and was not looked at.

    While a manifest cannot be read, files that no other one names are told together: it may name them.
    """
    every = [*(o for m in manifests for o in m.outputs), *(o for f in foreign for o in f.outputs)]
    stated = {(o.path, o.sha256, o.bytes): o for o in every}
    for output in stated.values():
        out.failed += (tuple(text.rsplit(": ", 1)) for text in damaged(root, [output]))  # type: ignore[misc]
    named = {path for path, _, _ in stated}
    reduced = bool(manifests) and manifests[-1].profile != "full"
    of_dates = set((root / "manifests").glob("as_of=*.json"))
    apart: Counter[str] = Counter()
    litter: list[str] = []
    unnamed: list[str] = []
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        name, first, is_file = relative.as_posix(), relative.parts[0], path.is_file() and not path.is_symlink()
        place = f"{first}/"
        if (path.is_dir() and not path.is_symlink()) or name in named or path in of_dates:
            continue
        if path.name in LITTER and is_file:
            litter.append(name)
        elif any(part.startswith(".") for part in relative.parts) and place not in _APART:
            out.unchecked.append((name, "hidden; no manifest names it and no reader takes it for a result"))
        elif place in _APART:
            apart[place] += 1
        elif not is_file or (not unread and (first not in _COPIES or reduced)):
            out.fail(name, "is named by no manifest")
        elif first not in _COPIES or reduced:
            unnamed.append(name)
        elif not manifests:
            apart[_COPIES_TOLD] += 1
    if litter:
        told = "left by a file browser, no part of what was published, not looked into"
        out.noted.append(f"{_names(litter)}: {told}")
    if unnamed:
        told = "named by no other manifest; only one that can be read tells whether they were published"
        what = ", ".join(f"manifests/as_of={date}.json" for date in unread)
        out.unchecked.append((what, f"{_files(len(unnamed))}, {told}: {_names(unnamed)}"))
    for place, count in apart.items():
        why = _APART.get(
            place, "copies and lists of what is published, and no manifest here is one that this program reads"
        )
        out.unchecked.append((place, f"{_files(count)}: {why}"))
    _tell_unsigned(manifests, out)
    dates = len(manifests) + len(foreign)
    if dates:
        told = "valuation date" if dates == 1 else "valuation dates"
        out.checked.append(f"{_files(len(named))} of {dates} {told}, held against the hashes in the manifests")


def _tell_unsigned(manifests: Sequence[Manifest], out: Findings) -> None:
    """What stands in the manifests and in nothing that is signed."""
    pages = sum(o.stage == "report" for m in manifests for o in m.outputs)
    if pages:
        told = (
            "only their hashes are held against the manifest, which nobody signs; 'verify --replay CONFIG' makes them "
            "again and compares"
        )
        out.unchecked.append(("reports/", f"whether {pages} pages and memos say what the tables say: {told}"))
    if manifests:
        told = "only the manifest says so, and nobody signs it"
        out.unchecked.append(("manifests/", f"where the inputs come from, and which scenes could not be read: {told}"))


def check_copies(root: Path, manifests: Sequence[Manifest], out: Findings) -> None:
    """Copies and catalog against what the published files make."""
    try:
        same_code = manifests[-1].code["sha256"] == program_hash()
        odd = odd_copies(root, manifests)
    except UNREADABLE as error:
        out.fail("latest/, catalog/", f"cannot be made again to compare ({type(error).__name__}: {error})")
        return
    for path, reason, is_data in odd:
        if same_code or is_data:
            out.fail(path, reason)
        else:
            made = str(manifests[-1].code["sha256"])[:12]
            told = f"{reason}, but a program with other code made it (code {made}, here {program_hash()[:12]})"
            out.unchecked.append((path, told))


def _names(paths: Sequence[str]) -> str:
    more = len(paths) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def _outside(outputs: Sequence[Output], inside: Sequence[Output]) -> list[str]:
    return [f"{o.path!r} lies outside the output folder" for o in outputs if o not in inside]


def _check_types(manifest: Manifest) -> None:
    """TypeError for a manifest whose members are of other kinds than this program writes."""
    texts = {name: getattr(manifest, name) for name in ("as_of", "portfolio", "profile")}
    maps = {name: getattr(manifest, name) for name in ("code", "configuration", "inputs", "provenance")}
    for number, o in enumerate(manifest.outputs):
        texts |= {f"outputs[{number}].{n}": getattr(o, n) for n in ("stage", "table", "partition", "path", "sha256")}
        maps[f"outputs[{number}].components"] = o.components
        if type(o.bytes) is not int or type(o.rows) is not int:
            raise TypeError(f"outputs[{number}]: bytes or rows is no number")
    for kind, members in ((str, texts), (dict, maps)):
        for name, value in members.items():
            if not isinstance(value, kind):
                raise TypeError(f"{name} is {value!r}")


def _misplaced(manifest: Manifest) -> list[str]:
    """Outputs that a manifest names twice, or of the stages that the attestation does not speak of where they are not.

    Whatever lies elsewhere is in the hash that was signed, so nothing can be added under another name.
    """
    paths = Counter(o.path for o in manifest.outputs)
    found = [f"names {path!r} {count} times" for path, count in paths.items() if count > 1]
    attested = {f"{FOLDER}/as_of={manifest.as_of}/{name}" for name in FILES}
    for o in manifest.outputs:
        if o.stage == "attest":
            sound = o.path in attested
        elif o.stage == "report":
            sound = o.path.startswith(f"reports/as_of={manifest.as_of}/") and o.table in PAGES
        else:
            sound = o.path.split("/")[0] not in (FOLDER, "reports")
        if not sound:
            found.append(f"{o.path!r} is no file of the stage '{o.stage}'")
    values = manifest.configuration.get("values")
    if values is not None and fingerprint(values) != manifest.configuration["sha256"]:
        found.append("its configuration is not the one of its hash")
    return found


def _as_held(root: Path, manifest: Manifest, name: str, out: Findings) -> Manifest:
    """The manifest with the profile that the folder's records show, whatever it says itself."""
    where = f"{FOLDER}/as_of={manifest.as_of}/records.parquet"
    if manifest.profile not in SHOWN:
        out.fail(name, f"profile '{manifest.profile}' is none of {', '.join(SHOWN)}")
    try:
        salted = "salt" in pq.read_schema(root / where).names
    except UNREADABLE:  # a file that is missing or damaged is a fault of its own
        salted = False
    if not salted or manifest.profile == "full":
        return manifest
    out.fail(name, f"says profile '{manifest.profile}', but its records carry salts: it is held as 'full'")
    return dataclasses.replace(manifest, profile="full")
