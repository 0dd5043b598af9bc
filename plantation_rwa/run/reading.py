"""Reading what stands in an output folder, for those who check it: every file may be a stranger's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plantation_rwa.errors import PlantationError
from plantation_rwa.json_text import parsed_strictly
from plantation_rwa.publish.manifest import Manifest, load, manifest_path

#: no JSON of ours is larger: a tree of two million rights
LARGEST_JSON_BYTES = 2**30


class CannotCheck(PlantationError):
    """There is nothing here that can be checked."""


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    found = json_value(path)
    if not isinstance(found, dict):
        raise CannotCheck(f"{path.name}: is no JSON object.")
    return found


def json_value(path: Path) -> Any:
    """What JSON a file holds; one that two readers could read in two ways is none."""
    try:
        if path.exists() and (not path.is_file() or path.stat().st_size > LARGEST_JSON_BYTES):
            raise CannotCheck(f"{path.name}: is no file of at most {LARGEST_JSON_BYTES:,} bytes.")
        return parsed_strictly(path.read_text("utf-8"))
    except OSError as error:
        raise CannotCheck(f"{path.name}: cannot be read ({error.strerror or error}).") from None
    except (ValueError, RecursionError) as error:
        raise CannotCheck(f"{path.name}: is no JSON ({error}).") from None


def load_date(root: Path, as_of: str | None) -> Manifest:
    """Manifest of a date, of the newest without one.

    Raises
    ------
    CannotCheck
        If it is not there.
    """
    dates = sorted(p.stem.removeprefix("as_of=") for p in (root / "manifests").glob("as_of=*.json"))
    if not dates:
        raise CannotCheck(f"{root}: holds no manifest. Give an output folder of 'run'.")
    chosen = as_of or dates[-1]
    manifest = load(root, chosen) if manifest_path(root, chosen).is_file() else None
    if manifest is None:
        known = ", ".join(dates[-5:])
        raise CannotCheck(f"{root}: {chosen} is not published there. Published dates: {known}.")
    return manifest


def is_inside(root: Path, relative: str) -> bool:
    """Whether a path as a manifest or a document names it is one below the output folder, in its plain spelling."""
    try:
        plain = relative.split("/")
        if {"", ".", ".."} & set(plain) or "\\" in relative:
            return False
        return (root / relative).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError, AttributeError):  # no path at all, e.g. one with a zero byte
        return False
