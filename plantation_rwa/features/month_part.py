"""What a month says of outlines under the same scenes: columns, one number an outline each.

A row an outline and a line a scene in objects of their own cost more time than the pixels of a small plantation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.scene_checks import AIRS, BANDS, OFFSET_CHECKS, SceneLines, Verdict
from plantation_rwa.features.scene_trail import CLAIMS, FIGURE_COLUMNS, HEAD, NUMBERS, problems_of

#: codes of verdicts, see :mod:`scene_checks`
_INFERRED = [OFFSET_CHECKS.index(c) for c in ("already_removed", "missing")]
_LEFT_OUT = [AIRS.index(a) for a in ("haze", "ndvi_drop", "unclassified")]
#: columns of ``features_scenes`` that hang on the outline
_JUDGED = (
    *("offset_dn", "offset_inferred", "offset_check", "air_check", "bands_check", "outcome", "scl_profile"),
    *("covered_share", "clear_share", "judged_pixels"),
    *FIGURE_COLUMNS,
    *(f"{name}_other" for name in FIGURE_COLUMNS),
)


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on scenes over some outlines.

    Parameters
    ----------
    codes
        Of offset, air and bands, see :func:`~plantation_rwa.features.scene_checks.judge_lines`; shape (outlines,
        scenes, 3).
    offset
        Applied, digital numbers; shape (outlines, scenes).
    """

    codes: NDArray[np.int8]
    offset: NDArray[np.float64]

    @classmethod
    def judged(cls, codes: NDArray[np.int8], claimed: Sequence[float], other: Sequence[float]) -> Verdicts:
        """Verdicts whose offset follows from their codes."""
        inferred = np.isin(codes[..., 0], _INFERRED)
        return cls(codes, np.where(inferred, np.array(other, np.float64), np.array(claimed, np.float64)))

    @classmethod
    def given(cls, verdicts: Sequence[Sequence[Verdict]]) -> Verdicts:
        """Verdicts formed elsewhere, outline by outline."""
        codes = [
            [(OFFSET_CHECKS.index(v.offset_check), AIRS.index(v.air), BANDS.index(v.bands)) for v in own]
            for own in verdicts
        ]
        shape = len(verdicts), len(verdicts[0]) if verdicts else 0
        offset = np.array([[v.offset for v in own] for own in verdicts], np.float64).reshape(shape)
        return cls(np.array(codes, np.int8).reshape(*shape, 3), offset)

    @property
    def inferred(self) -> NDArray[np.bool_]:
        """Whether the pixels overruled the provider's claim."""
        return np.isin(self.codes[..., 0], _INFERRED)

    @property
    def used(self) -> NDArray[np.bool_]:
        """Whether the observation enters the month."""
        used: NDArray[np.bool_] = (self.codes[..., 2] == 0) & ~np.isin(self.codes[..., 1], _LEFT_OUT)
        return used

    def flags(self) -> dict[str, NDArray[np.bool_]]:
        """Flags that they raise, by outline."""
        check, air, bands = np.moveaxis(self.codes, -1, 0)
        veiled = (air == AIRS.index("haze")) | (air == AIRS.index("ndvi_drop"))
        untested = (check == OFFSET_CHECKS.index("no_history")) & self.used
        return {
            "haze_left_out": veiled.any(axis=1),
            "bands_left_out": (bands != 0).any(axis=1),
            "offset_inferred": (self.inferred & self.used).any(axis=1),
            "offset_untested": untested.any(axis=1),
        }


@dataclass(frozen=True)
class SceneTrail:
    """What was seen of scenes over some outlines, and what was decided; not of outlines with verdicts from elsewhere.

    Parameters
    ----------
    heads
        Columns of ``features_scenes`` that do not hang on the outline, by scene.
    outcomes
        Of the scenes of which no pixel counts, which stand after the judged ones.
    lines
        Records of the judged scenes.
    shares
        How much of the covered ground each shows and shows clearly (0-1), shape (outlines, scenes, 2).
    verdicts, lenient
        What was made of them, and whether the month of an outline used the lenient profile.
    """

    heads: tuple[Mapping[str, Any], ...]
    outcomes: tuple[str, ...]
    lines: SceneLines
    shares: NDArray[np.float64]
    verdicts: Verdicts
    lenient: NDArray[np.bool_]

    def take(self, rows: NDArray[np.intp]) -> SceneTrail:
        """Of some outlines."""
        verdicts = Verdicts(self.verdicts.codes[rows], self.verdicts.offset[rows])
        return replace(
            self, lines=self.lines.take(rows), shares=self.shares[rows], verdicts=verdicts, lenient=self.lenient[rows]
        )

    def columns(self) -> dict[str, NDArray[Any] | Encoded[str | None]]:
        """Columns of ``features_scenes``: each outline's judged scenes, then those that do not count."""
        count, judged = self.shares.shape[:2]
        every = judged + len(self.outcomes)
        found: dict[str, NDArray[Any] | Encoded[str | None]] = {}
        scenes = np.tile(np.arange(every), count)
        for name in (*HEAD, *CLAIMS):
            values = tuple(h[name] for h in self.heads)
            found[name] = np.array(values, np.float64)[scenes] if name in NUMBERS else Encoded(values, scenes)
        own, inferred = self.verdicts, self.verdicts.inferred
        claimed, other = self.lines.numbers[..., 1:6], self.lines.numbers[..., 6:]
        swap = inferred[..., None]
        applied, unused = np.where(swap, other, claimed), np.where(swap, claimed, other)

        def wide(values: NDArray[Any], rest: Any) -> NDArray[Any]:
            out = np.empty((count, every), values.dtype)
            out[:, :judged], out[:, judged:] = values, rest
            return out.ravel()

        numbers = {
            "offset_dn": own.offset,
            "covered_share": self.shares[..., 0],
            "clear_share": self.shares[..., 1],
            "judged_pixels": self.lines.numbers[..., 0],
            **{name: applied[..., k] for k, name in enumerate(FIGURE_COLUMNS)},
            **{f"{name}_other": unused[..., k] for k, name in enumerate(FIGURE_COLUMNS)},
        }
        texts = {
            "offset_check": (OFFSET_CHECKS, own.codes[..., 0]),
            "air_check": (AIRS, own.codes[..., 1]),
            "bands_check": (BANDS, own.codes[..., 2]),
            "scl_profile": (("strict", "lenient"), np.broadcast_to(self.lenient[:, None], (count, judged))),
        }
        found |= {name: wide(values, np.nan) for name, values in numbers.items()}
        found |= {
            name: Encoded(tuple(words), wide(codes.astype(np.intp), -1)) for name, (words, codes) in texts.items()
        }
        found["offset_inferred"] = wide(inferred, False)
        words, codes = self._outcome()
        idle = len(words) + np.arange(len(self.outcomes))
        found["outcome"] = Encoded((*words, *self.outcomes), wide(codes, idle))
        return {name: found[name] for name in (*HEAD, *_JUDGED, *CLAIMS)}

    def _outcome(self) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """Words and for each judged scene the place of its own."""
        sights = ("no_pixels", "cloudy", "used")
        words = (*sights, *AIRS, *BANDS)
        used, air, bands = self.verdicts.used, self.verdicts.codes[..., 1], self.verdicts.codes[..., 2]
        of_bands = len(sights) + len(AIRS)
        shown = np.where(bands == 0, len(sights) + air.astype(np.intp), of_bands + bands.astype(np.intp))
        cloudy = (self.shares[..., 1] == 0) & ~self.lenient[:, None]
        unseen = self.shares[..., 0] == 0
        clear = np.where(cloudy, sights.index("cloudy"), sights.index("used"))
        seen = np.where(unseen, sights.index("no_pixels"), clear)
        return words, np.where(used, seen, shown)

    def line(self, outline: int) -> list[dict[str, Any]]:
        """Rows of ``features_scenes`` of one outline; those that do not count have no figures."""
        one = self.take(np.array([outline]))
        columns = {name: values.tolist() for name, values in one.columns().items()}
        lines = []
        for n in range(len(self.heads)):
            names = columns if n < self.shares.shape[1] else (*HEAD, "outcome", "offset_inferred", *CLAIMS)
            lines.append({name: columns[name][n] for name in names})
        return lines

    def problems(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        """Outline, and what its scenes have for quarantine: corrected offsets, and impossible bands."""
        wrong = self.verdicts.inferred | (self.verdicts.codes[..., 2] != 0)
        for n in np.flatnonzero(wrong.any(axis=1)).tolist():
            for line in self.line(n)[: self.shares.shape[1]]:
                for problem in problems_of(line):
                    yield n, problem


@dataclass(frozen=True)
class MonthPart:
    """A month of some outlines that have the same scenes.

    Parameters
    ----------
    outlines
        Numbers of the outlines.
    columns
        Imagery columns of the ``features`` table, NaN where unknown.
    known_at
        Latest of the scenes that touch the outlines, None without any.
    flags
        Sorted codes of each.
    problems
        Scene id, band, message of what was wrong with scenes, of each.
    trail
        Of each scene, where the scenes were judged here.
    """

    outlines: NDArray[np.intp]
    columns: Mapping[str, NDArray[Any]]
    known_at: pd.Timestamp | None
    flags: Encoded[tuple[str, ...]]
    problems: Encoded[tuple[tuple[str, str, str], ...]]
    trail: SceneTrail | None = None

    def __len__(self) -> int:
        return len(self.outlines)

    @classmethod
    def joined(cls, parts: Sequence[MonthPart]) -> MonthPart:
        """Parts with the same scenes as one."""
        first = parts[0]
        if len(parts) == 1:
            return first
        trails = [p.trail for p in parts if p.trail is not None]
        trail = None
        if trails:
            numbers = np.concatenate([t.lines.numbers for t in trails])
            codes, offset = (np.concatenate([getattr(t.verdicts, f.name) for t in trails]) for f in fields(Verdicts))
            trail = replace(
                trails[0],
                lines=SceneLines(trails[0].lines.scenes, numbers),
                shares=np.concatenate([t.shares for t in trails]),
                verdicts=Verdicts(codes, offset),
                lenient=np.concatenate([t.lenient for t in trails]),
            )
        return cls(
            np.concatenate([p.outlines for p in parts]),
            {name: np.concatenate([p.columns[name] for p in parts]) for name in first.columns},
            first.known_at,
            Encoded.joined([p.flags for p in parts], lambda flags: flags),
            Encoded.joined([p.problems for p in parts], lambda problems: problems),
            trail,
        )

    def take(self, rows: NDArray[np.intp]) -> MonthPart:
        """Some outlines, by their place here."""
        return replace(
            self,
            outlines=self.outlines[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
            flags=self.flags.take(rows),
            problems=self.problems.take(rows),
            trail=None if self.trail is None else self.trail.take(rows),
        )

    def row(self, n: int) -> dict[str, Any]:
        """One outline in words: its columns, ``known_at``, ``flags``, ``problems``, and ``trail`` and ``records``."""
        found: dict[str, Any] = {name: values[n].item() for name, values in self.columns.items()}
        found |= {
            "known_at": self.known_at,
            "flags": list(self.flags.at(n) or ()),
            "problems": list(self.problems.at(n) or ()),
        }
        found["trail"] = [] if self.trail is None else self.trail.line(n)
        found["records"] = () if self.trail is None else self.trail.lines.records(n)
        return found


def flags_of(raised: Mapping[str, NDArray[np.bool_]], count: int) -> Encoded[tuple[str, ...]]:
    """Sorted codes of the flags raised, by outline."""
    names = sorted(raised)
    codes = np.zeros(count, np.int64)
    for n, name in enumerate(names):
        codes |= np.asarray(raised[name], np.int64) << n
    found, places = np.unique(codes, return_inverse=True)
    return Encoded(tuple(tuple(name for n, name in enumerate(names) if c >> n & 1) for c in found.tolist()), places)
