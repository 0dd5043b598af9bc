"""Trade reports: documents with the day they were published, in English, instructions in them set aside."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from plantation_rwa.errors import ReadError, SourceError
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.files import one_line
from plantation_rwa.sources.guards import limit
from plantation_rwa.sources.report_files import extracted, plain_text
from plantation_rwa.sources.report_texts import foreign, instructions, language

INPUT = "reports"
KINDS: Mapping[str, str] = {".txt": "text", ".md": "text", ".html": "html", ".htm": "html", ".pdf": "pdf"}
#: ending of the file beside a document that says what the document does not
SIDECAR = ".yaml"
COLUMNS = ("doc_id", "file", "title", "country", "commodity", "published_at", "known_at", "sha256", "text", "aside")
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*\n", re.DOTALL)
_ORDER = "tells a reader or a model what to do: shown here, not followed, not read for facts"
_KEYS = ("doc_id", "title", "country", "commodity", "published_at")


@dataclass
class _Found:
    """One document while it is read."""

    file: str
    text: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    body: int = 0
    sha256: str = ""


def read_reports(paths: Sequence[str] | None, known_lag_days: int, quarantine: Quarantine) -> pd.DataFrame:
    """Documents of files and folders.

    A document that cannot be read, has no date, is not in English or repeats another is left out and told; nothing a
    document holds stops a run.

    Parameters
    ----------
    paths
        Files, and folders whose documents are taken, sorted by name; READMEs, hidden and other
        files of a folder are not looked at.
    known_lag_days
        Days from publication until a document counts as known.

    Returns
    -------
    pandas.DataFrame
        ``doc_id, file, title, country, commodity``, ``published_at`` (date), ``known_at``, ``sha256`` of the file,
        ``text``, ``aside``: places (start, end) that are not read for facts; sorted by ``known_at`` and ``doc_id``.

    Raises
    ------
    SourceError
        If a path is a file of another kind, or too many documents are given.
    """
    files = list(dict.fromkeys(f for path in paths or () for f in _files(path)))
    most = limit("report_files_max")
    if len(files) > most:
        raise SourceError.of(INPUT, f"{len(files)} documents are given, more than {most}", "", "Give fewer at a time.")
    rows = [row for path in files if (row := _row(path, known_lag_days, quarantine)) is not None]
    rows.sort(key=lambda r: (r["known_at"], r["doc_id"], r["file"], r["sha256"]))
    kept: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for row in rows:
        same = seen.get(row["sha256"]) or seen.get(f"id:{row['doc_id']}")
        if same is not None:
            what = "has the same content" if row["sha256"] in seen else f"has the same doc_id {row['doc_id']}"
            _reject(quarantine, row["file"], f"{what} as {same}, which was known no later", known_at=row["known_at"])
            continue
        seen |= {row["sha256"]: row["file"], f"id:{row['doc_id']}": row["file"]}
        kept.append(row)
    frame = pd.DataFrame(kept, columns=list(COLUMNS))
    frame["known_at"] = pd.to_datetime(frame["known_at"], utc=True).astype("datetime64[us, UTC]")
    return frame


def _files(path: str) -> list[str]:
    if "://" in path:
        raise SourceError.of(INPUT, "documents are read from local files", path, "Download it first.")
    place = Path(path)
    if place.is_dir():
        found = (f for f in sorted(place.iterdir()) if f.suffix.lower() in KINDS and f.is_file())
        return [str(f) for f in found if not f.name.upper().startswith(("README", "."))]
    if place.suffix.lower() not in KINDS:
        remedy = f"Give .{', .'.join(sorted(k[1:] for k in KINDS))} or a folder of them."
        raise SourceError.of(place.name, "is no kind of document that is read", place.suffix, remedy)
    return [path]


def _row(path: str, lag_days: int, quarantine: Quarantine) -> dict[str, Any] | None:
    place = Path(path)
    found, known_at = _Found(place.name), None
    try:
        sidecar = _sidecar(place)
        known_at = _known(sidecar.get("published_at", ""), lag_days)
        _read(place, found)
        metadata = {**found.metadata, **sidecar}
        published = _day(metadata.get("published_at", ""))
        own = _day(found.metadata.get("published_at", "")) or published
        if published is None or own is None:
            given = metadata.get("published_at", "")
            told = (
                f"published_at '{given[:40]}' is no date YYYY-MM-DD or YYYY-MM"
                if given
                else "does not say when it was published"
            )
            raise ReadError(f"{told}; name it in {place.name}{SIDECAR}")
        known_at = _known(max(published, own).isoformat(), lag_days)
        aside = _aside(found, quarantine, known_at)
    except (ReadError, OSError) as error:
        _reject(quarantine, place.name, one_line(error), known_at=known_at)
        return None
    if own > published:
        told = f"says it was published {own}, its sidecar {published}: the later counts"
        quarantine.add(INPUT, place.name, told, "repaired", column="published_at", value=published, known_at=known_at)
    return {
        "doc_id": metadata.get("doc_id") or place.name,
        "file": place.name,
        "title": metadata.get("title", "")[:300],
        "country": country if re.fullmatch(r"[A-Z]{2}", country := metadata.get("country", "").upper()) else "",
        "commodity": metadata.get("commodity", "")[:60],
        "published_at": max(published, own),
        "known_at": known_at,
        "sha256": found.sha256,
        "text": found.text,
        "aside": aside,
    }


def _read(place: Path, found: _Found) -> None:
    size, most = os.path.getsize(place), limit("report_bytes_max")
    if size > most:
        raise ReadError(f"has {size} bytes, more than {most}; split it")
    data = place.read_bytes()
    found.sha256 = hashlib.sha256(data).hexdigest()
    kind = KINDS[place.suffix.lower()]
    if kind == "text":
        found.text = plain_text(data)
        front = _FRONT.match(found.text)
        if front is not None:
            found.metadata, found.body = _mapping(front[1], "the lines between --- at its head"), front.end()
    else:
        found.text, found.metadata = extracted(kind, data)
    if len(found.text) > limit("report_characters_max"):
        raise ReadError(f"holds more than {limit('report_characters_max')} characters; split it")
    if not found.text[found.body :].strip():
        raise ReadError("is empty")


def _sidecar(place: Path) -> dict[str, str]:
    beside = place.with_name(place.name + SIDECAR)
    if not beside.is_file():
        return {}
    if os.path.getsize(beside) > 65_536:
        raise ReadError(f"{beside.name} beside it is too long")
    return _mapping(plain_text(beside.read_bytes()), beside.name)


def _mapping(text: str, name: str) -> dict[str, str]:
    """Keys that are known of a small YAML text; aliases, which could make it large, are refused."""
    if len(text) > 65_536 or re.search(r"(?:^|[\s\[{,:])[&*]\w", text):
        raise ReadError(f"{name} cannot be used")
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ReadError(f"{name} is not YAML") from None
    if not isinstance(raw, dict):
        raise ReadError(f"{name} holds no 'key: value'")
    return {k: str(raw[k]).strip() for k in _KEYS if raw.get(k) is not None}


def _day(text: str) -> dt.date | None:
    """A date; of a month its last day; of an instant its day in UTC. None for anything else."""
    plain = text.strip()
    if re.fullmatch(r"\d{4}-\d\d", plain):
        try:
            return Month.parse(plain).last
        except ValueError:
            return None
    try:
        instant = dt.datetime.fromisoformat(plain)
    except ValueError:
        return None
    return (instant.astimezone(dt.UTC) if instant.tzinfo else instant).date()


def _known(published: str, lag_days: int) -> pd.Timestamp | None:
    day = _day(published)
    return None if day is None or day.year < 1900 else pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=lag_days)


def _aside(found: _Found, quarantine: Quarantine, known_at: pd.Timestamp | None) -> tuple[tuple[int, int], ...]:
    """What is not read for facts; told each."""
    body = found.text[found.body :]
    spoken = language(body)
    others = foreign(found.text, found.body)
    if spoken not in ("English", "") or (others and sum(b - a for (a, b), _ in others) > len(body) * 0.8):
        raise ReadError(f"is written in another language than English: {spoken or others[0][1]}; it was not read")
    aside: list[tuple[int, int]] = [(0, found.body)] if found.body else []
    for (start, end), named in others:
        quarantine.add(
            INPUT, found.file, f"a paragraph in another language than English ({named}) was not read", "nulled",
            column=f"characters {start} to {end}", value=found.text[start:end], known_at=known_at,
        )  # fmt: skip
        aside.append((start, end))
    for start, end in instructions(found.text):
        if end <= found.body:
            continue
        quarantine.add(
            INPUT, found.file, _ORDER, "nulled",
            column=f"characters {start} to {end}", value=found.text[start:end], known_at=known_at,
        )  # fmt: skip
        aside.append((start, end))
    return tuple(sorted(aside))


def _reject(quarantine: Quarantine, file: str, reason: str, *, known_at: pd.Timestamp | None) -> None:
    quarantine.add(INPUT, file, f"document {reason}", "rejected", known_at=known_at)
