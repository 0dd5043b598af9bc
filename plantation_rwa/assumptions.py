"""Business assumptions: a packaged, sourced table that the configuration overrides key by key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from plantation_rwa.errors import ConfigError, Problem

#: the safe loader in C where there is one: every command reads these tables
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Assumption:
    """One assumption: value (number, text, list or table), unit, where it comes from, and what numbers it may hold."""

    key: str
    value: Any
    unit: str
    source: str
    bounds: tuple[float, float] = (-math.inf, math.inf)


class Assumptions(Mapping[str, Assumption]):
    """All assumptions by dotted key, e.g. ``netback.cess_myr_t``."""

    def __init__(self, entries: Mapping[str, Assumption]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Assumption:
        return self._entries[key]

    def __iter__(self) -> Any:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def number(self, key: str) -> float:
        """The value as a float."""
        return float(self._entries[key].value)

    def text(self, key: str) -> str:
        """The value as text."""
        return str(self._entries[key].value)

    def table(self, key: str) -> Any:
        """The value as it stands in the file: a list or a mapping."""
        return self._entries[key].value

    def override(self, values: Mapping[str, Any], *, where: str) -> Assumptions:
        """A copy with some values replaced; unknown keys are errors with a suggestion.

        Overridden entries carry ``where`` as their source, so that a reader sees whose assumption it is.
        """
        problems, entries = [], dict(self._entries)
        for key, value in values.items():
            if key not in entries:
                close = difflib.get_close_matches(key, list(entries), n=1)
                remedy = (
                    f"Did you mean '{close[0]}'?" if close else "See plantation_rwa/data/assumptions/ for the keys."
                )
                problems.append(Problem(f"{where}.{key}", "unknown assumption", repr(value), remedy))
                continue
            old = entries[key]
            if not _same_kind(old.value, value):
                problems.append(
                    Problem(
                        f"{where}.{key}",
                        f"expected the kind of value {old.value!r} has",
                        repr(value),
                        "Give a value of that kind.",
                    )
                )
                continue
            wrong = [v for v in _numbers(value) if not (math.isfinite(v) and old.bounds[0] <= v <= old.bounds[1])]
            if wrong:
                low, high = old.bounds
                limits = f"outside {low:g} to {high:g}" if math.isfinite(low + high) else "not a finite number"
                remedy = f"The packaged value is {old.value!r}, unit {old.unit}."
                problems.append(Problem(f"{where}.{key}", limits, f"{wrong[0]:g}", remedy))
                continue
            entries[key] = replace(old, value=value, source=where)
        if problems:
            raise ConfigError(problems)
        return Assumptions(entries)

    def resolved(self) -> dict[str, Any]:
        """Plain key -> value mapping for fingerprints and reports."""
        return {key: entry.value for key, entry in sorted(self._entries.items())}


def _numbers(value: Any) -> Iterator[float]:
    """Every number in a value, list or table."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def _same_kind(old: Any, new: Any) -> bool:
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    if isinstance(old, int | float):
        return isinstance(new, int | float)
    return isinstance(new, type(old))


@lru_cache(maxsize=1)
def packaged_files() -> dict[str, tuple[Assumption, ...]]:
    """The assumptions that ship with the package by file name, in the order they stand in, read once."""
    files: dict[str, tuple[Assumption, ...]] = {}
    folder = resources.files("plantation_rwa").joinpath("data/assumptions")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name):
        sections = yaml.load(file.read_text("utf-8"), _LOADER)
        files[file.name] = tuple(
            Assumption(
                f"{section}.{name}", x["value"], x["unit"], x["source"], tuple(x.get("bounds", Assumption.bounds))
            )
            for section, entries in sections.items()
            for name, x in entries.items()
        )
    return files


@lru_cache(maxsize=1)
def packaged() -> Assumptions:
    """The assumptions that ship with the package."""
    return Assumptions({entry.key: entry for entries in packaged_files().values() for entry in entries})
