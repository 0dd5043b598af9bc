"""Whether a scene's claimed offset and its air are believable, by the plantation's own pixels and history."""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions

#: offsets in digital numbers that Sentinel-2 L2A products carry, each with the one a wrong claim stands for
OTHER_OFFSET = {-1000.0: 0.0, 0.0: -1000.0}
#: words of the codes in :mod:`verdict_kernels`; the last offset check is no code of it: the claim of a scene that has
#: no verdict is believed
OFFSET_CHECKS = (
    *("plausible", "already_removed", "missing", "few_pixels", "no_classification", "no_history", "unknown_offset"),
    "not_tested",
)
AIRS = ("clear", "haze", "ndvi_drop", "unclassified", "not_tested")
BANDS = ("plausible", "negative_ndvi", "infrared_out_of_range")


@dataclass(frozen=True)
class Rules:
    """Limits of the checks; reflectances and indices as fractions, see ``imagery.*`` of the assumptions."""

    removed_red: float
    removed_share: float
    removed_red_median: float
    missing_red_median: float
    missing_ndvi: float
    missing_history_ndvi: float
    missing_history_months: float
    missing_infrared_rise: float
    missing_other_ndvi: float
    missing_other_blue: float
    missing_other_swir: float
    bands_ndvi_min: float
    bands_infrared_min: float
    bands_infrared_max: float
    haze_blue: float
    haze_history_months: float
    haze_clean_quantile: float
    haze_soil_slope: float
    haze_ndvi_drop: float
    haze_recovery_share: float
    min_pixels: float
    min_history: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> Rules:
        """The rules as the configuration resolves them."""
        return cls(**{f.name: assumptions.number(f"imagery.{f.name}") for f in fields(cls)})


@dataclass(frozen=True)
class Figures:
    """What vegetation pixels of one scene say under one offset.

    ``red_share`` is the covered share with B04 below ``removed_red``; the others are coverage-weighted medians of
    B04, B02, NDVI and B12. NaN where a band or every pixel is missing.
    """

    red_share: float
    red: float
    blue: float
    ndvi: float
    swir: float = float("nan")

    @property
    def infrared(self) -> float:
        """B08 that goes with the median red and the median NDVI; NaN where either is impossible."""
        return self.red * (1 + self.ndvi) / (1 - self.ndvi) if self.ndvi < 1 else float("nan")


NO_FIGURES = Figures(*[float("nan")] * 5)


@dataclass(frozen=True)
class SceneRecord:
    """One scene over one plantation, free of any history.

    Parameters
    ----------
    offset
        Offset in digital numbers as the provider's metadata claim it.
    pixels
        Effective pixels (sum of covered fractions) of class vegetation that are clear and supplied by this scene.
    claimed, other
        Figures under the claimed offset and under the other one that such products can carry.
    classified
        Whether the scene has a classification; without one vegetation cannot be told from cloud.
    """

    scene_id: str
    datatake: str
    acquired: pd.Timestamp
    offset: float
    pixels: float = 0.0
    claimed: Figures = NO_FIGURES
    other: Figures = NO_FIGURES
    classified: bool = True


@dataclass(frozen=True)
class Verdict:
    """What is made of a scene.

    Parameters
    ----------
    offset
        Offset to apply, digital numbers.
    offset_check
        ``plausible``, ``already_removed`` and ``missing`` (both corrected), or why the claim was believed untested:
        ``few_pixels``, ``no_classification``, ``no_history``, ``unknown_offset``.
    air
        ``clear``, ``haze`` or ``ndvi_drop`` (both left out), ``unclassified`` (left out: a scene without classification
        beside others that have one), or ``not_tested``.
    bands
        ``plausible`` (also where nothing could be judged), ``negative_ndvi`` or ``infrared_out_of_range`` (both left
        out): what vegetation shows under the offset to apply is no vegetation, so the files are not what the item says.
    """

    offset: float
    offset_check: str
    air: str = "not_tested"
    bands: str = "plausible"

    @property
    def inferred(self) -> bool:
        """Whether the pixels overruled the provider's claim."""
        return self.offset_check in {"already_removed", "missing"}

    @property
    def used(self) -> bool:
        """Whether the observation enters the month."""
        return self.bands == "plausible" and self.air not in {"haze", "ndvi_drop", "unclassified"}


@dataclass(frozen=True)
class SceneHead:
    """What is known of a scene whatever it shows, see :class:`SceneRecord`."""

    scene_id: str
    datatake: str
    acquired: pd.Timestamp
    offset: float
    classified: bool = True


@dataclass(frozen=True)
class SceneLines:
    """Records of the same scenes over some plantations.

    Parameters
    ----------
    scenes
        What the scenes are.
    numbers
        Effective pixels, then the figures under the claimed and under the other offset; shape (plantations, scenes,
        11), the columns of :mod:`verdict_kernels`.
    """

    scenes: tuple[SceneHead, ...]
    numbers: NDArray[np.float64]

    @classmethod
    def of(cls, records: Sequence[SceneRecord]) -> SceneLines:
        """The lines of a single plantation."""
        heads = tuple(SceneHead(r.scene_id, r.datatake, r.acquired, r.offset, r.classified) for r in records)
        rows = [[r.pixels, *astuple(r.claimed), *astuple(r.other)] for r in records]
        return cls(heads, np.array(rows, np.float64).reshape(1, len(heads), 11))

    def records(self, plantation: int) -> tuple[SceneRecord, ...]:
        """Records of one of the plantations."""
        return tuple(
            SceneRecord(
                h.scene_id, h.datatake, h.acquired, h.offset, row[0], Figures(*row[1:6]), Figures(*row[6:]),
                h.classified,
            )
            for h, row in zip(self.scenes, self.numbers[plantation].tolist(), strict=True)
        )  # fmt: skip

    def take(self, plantations: NDArray[np.intp]) -> SceneLines:
        """Those of some plantations."""
        return SceneLines(self.scenes, self.numbers[plantations])


#: lines of a month of the past, and the row of each plantation in them, -1 for none
PastLines = tuple[SceneLines, NDArray[np.intp]]
_Limits = namedtuple("_Limits", [f.name for f in fields(Rules)])  # type: ignore[misc]  # what compiled loops take


def judge(month: Sequence[SceneRecord], history: Sequence[SceneRecord], rules: Rules) -> list[Verdict]:
    """Verdicts on the scenes of a month over one plantation.

    Offset (domain/yield.md 2.4): dark red under a claim of -1000 means that the offset was already removed. Bright
    red and low NDVI under a claim of 0 mean that it was not, if the other offset leaves green vegetation that is
    possible in every band: haze, whose B12 stays dark, and dry ground, whose B02 does, would have less than nothing.
    Where that does not decide, the plantation's last twelve months do: they were green, and B08 has risen with the
    red; an offset lifts every band by 0.1, a veil of haze leaves the bright infrared of palms as it is.
    Bands: vegetation whose NDVI is negative has its red and infrared exchanged; one whose B08 is darker or brighter
    than any plant is in another unit. Such a scene is no part of the past either.
    Air (2.3): B02 lies above the plantation's own clean level of the last 24 months by more than the ground can have
    brightened: soil, cleared or replanted land lift B04 twice as much as B02, haze lifts B02 at least as much. Or NDVI
    drops, and either such a veil explains it or the next observation takes it back. Everything looks back only, but
    for that next observation, which must lie in the same month: so a month depends on its own and earlier scenes, and
    a fall of NDVI that is neither explained nor taken back is land. Observations left out as haze stay in the history:
    its clean level is a low quantile, which bears them.

    Parameters
    ----------
    month
        Scenes of one plantation and month, any order.
    history
        Earlier scenes; only those within the rules' windows count. Their verdicts are formed anew, so that the result
        depends on these records and nothing else.
    rules
        Limits.

    Returns
    -------
    list of Verdict
        In the order of ``month``; the classified scenes of one datatake share ``air``.
    """
    lines = [SceneLines.of(history)] if history else []
    codes = judge_lines(SceneLines.of(month), [(past, np.zeros(1, np.intp)) for past in lines], rules)[0].tolist()
    return [verdict_of_codes(record.offset, code) for record, code in zip(month, codes, strict=True)]


def verdict_of_codes(claim: float, codes: Sequence[int]) -> Verdict:
    """A verdict from its codes for offset, air and bands."""
    check = OFFSET_CHECKS[codes[0]]
    inferred = check in {"already_removed", "missing"}
    return Verdict(OTHER_OFFSET[claim] if inferred else claim, check, AIRS[codes[1]], BANDS[codes[2]])


def judge_lines(month: SceneLines, past: Sequence[PastLines], rules: Rules) -> NDArray[np.int8]:
    """Codes of the verdicts on a month's scenes over many plantations: offset, air, bands; see :func:`judge`.

    Parameters
    ----------
    month
        What the scenes say of each plantation.
    past
        Earlier months.

    Returns
    -------
    numpy.ndarray
        Shape (plantations, scenes, 3): places in :data:`OFFSET_CHECKS`, :data:`AIRS` and :data:`BANDS`.
    """
    from plantation_rwa.features import verdict_kernels

    count, own = len(month.numbers), len(month.scenes)
    heads = [head for lines, _ in past for head in lines.scenes] + list(month.scenes)
    order = sorted(range(len(heads)), key=lambda n: (heads[n].acquired, heads[n].datatake, heads[n].scene_id))
    place = np.empty(len(heads), np.intp)
    place[order] = np.arange(len(heads))
    numbers, there = np.empty((count, len(heads), 11)), np.zeros((count, len(heads)), bool)
    start = 0
    for lines, rows in [*past, (month, np.arange(count))]:
        columns = place[start : start + len(lines.scenes)]
        known = rows >= 0
        there[:, columns] = known[:, None]
        numbers[:, columns] = lines.numbers[np.where(known, rows, 0)]
        start += len(lines.scenes)
    heads = [heads[n] for n in order]
    months = np.full(len(heads), -1, np.int64)
    months[place[len(heads) - own :]] = np.arange(own)
    takes = {take: n for n, take in enumerate(dict.fromkeys(h.datatake for h in heads))}
    spans = int(rules.missing_history_months), int(rules.haze_history_months)
    out = np.zeros((count, own, 3), np.int8)
    verdict_kernels.verdicts(
        numbers,
        there,
        np.array([h.offset for h in heads], np.float64),
        np.array([h.classified for h in heads], bool),
        np.array([_instant(h.acquired) for h in heads], np.int64),
        np.array([[_before(h.acquired, s) for s in spans] for h in heads], np.int64).reshape(-1, 2),
        np.array([takes[h.datatake] for h in heads], np.int64),
        months,
        _Limits(*astuple(rules)),
        out,
    )
    return out


def _instant(time: pd.Timestamp) -> int:
    return int(time.as_unit("ns").value)


@functools.lru_cache(maxsize=4096)
def _before(time: pd.Timestamp, months: int) -> int:
    """So many months before a scene's time: the same for every plantation under it."""
    return _instant(time - pd.DateOffset(months=months))
