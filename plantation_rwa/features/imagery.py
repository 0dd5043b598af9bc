"""Imagery features of plantations in one month: which scenes and blocks to read, and what the pixels say."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.engine.bits import CHECKED, LENIENT, STRICT
from plantation_rwa.features.engine.gathered import SceneKey, key_of
from plantation_rwa.features.engine.lanes import Lanes, OneLane
from plantation_rwa.features.engine.month import Target, chunks_of, gather_month, statistics
from plantation_rwa.features.engine.samples import Figures
from plantation_rwa.features.engine.shares import KnownGrids, Shares
from plantation_rwa.features.indices import INDICES, needed_bands
from plantation_rwa.features.observations import Reader, SceneLike, readable, versions_of
from plantation_rwa.features.scene_checks import Rules, SceneRecord, Verdict, judge
from plantation_rwa.features.scene_claims import item_faults, missing_bands
from plantation_rwa.features.scene_figures import SceneFigures, scene_figures
from plantation_rwa.features.scene_trail import UNSEEN, idle_row, item_hash, repair_text, trail_row
from plantation_rwa.grid import area_ha, edge_buffer_m, perimeter_m

#: effective pixels (sum of covered fractions) below which indices are withheld
MIN_PIXELS = 12.0
#: valid fraction below which a month is called few_clear and the lenient classes are tried
FEW_CLEAR = 0.3
_NAMES = tuple(INDICES)
_BANDS = tuple(dict.fromkeys((*CHECKED, *needed_bands(_NAMES))))


@dataclass(frozen=True)
class Checks:
    """What the scenes of a month are checked by.

    Parameters
    ----------
    rules
        Limits of :func:`~plantation_rwa.features.scene_checks.judge`.
    history
        Records of the plantation's earlier scenes.
    verdicts
        Verdicts formed elsewhere by the ``item_hash`` of :mod:`~plantation_rwa.features.scene_trail`: the blocks of a
        plantation use those of the plantation. None judges here; a scene without a verdict is believed.
    """

    rules: Rules
    history: tuple[SceneRecord, ...] = ()
    verdicts: Mapping[str, Verdict] | None = None


@dataclass(frozen=True)
class Outline:
    """One outline of a month.

    Parameters
    ----------
    shape
        (Multi)Polygon on WGS84, longitude and latitude.
    scenes
        Scenes of that local month that are known at the valuation date; those beside the outline are passed over.
    edge_buffer
        Metres taken off the edge, or ``auto``: min(20 m, 0.15 x 2 area/perimeter), geodesic.
    """

    shape: BaseGeometry
    scenes: Sequence[SceneLike]
    edge_buffer: Literal["auto"] | float = "auto"


class MonthOfOutlines:
    """The numbers under some outlines in one month, gathered; :meth:`rows` makes features of them.

    Gathering needs no history: the next month's can go on while this one is judged.

    Parameters
    ----------
    outlines
        Those that lie near one another should go together: the blocks they share are decoded once.
    month
        ``YYYY-MM``, only named in errors.
    reader
        Block reader.
    profile
        ``strict``, or ``lenient``: where strict leaves less than 0.3 of the area, lenient classes are used for the
        month.
    shares
        Keeps covered pixels from month to month.
    lanes
        Runs the reads side by side.
    """

    def __init__(
        self,
        outlines: Sequence[Outline],
        month: str,
        reader: Reader,
        *,
        profile: str = "strict",
        shares: Shares | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        if profile not in {"strict", "lenient"}:
            raise ValueError(f"{month}: no SCL profile '{profile}'; known: strict, lenient")
        self._lenient = profile == "lenient"
        self._near = [_near(o) for o in outlines]
        # a plot given as a point has no pixels
        self._sized = [n for n, o in enumerate(outlines) if o.shape.area > 0]
        targets = [Target(outlines[n].shape, tuple(self._near[n]), _edge(outlines[n])) for n in self._sized]
        self._known, self._claimed = KnownGrids(reader), dict[SceneKey, tuple[str, str]]()
        looks = gather_month(
            targets,
            self._known,
            names=_NAMES,
            bands=_BANDS,
            lenient=self._lenient,
            shares=shares or Shares(),
            lanes=lanes or OneLane(),
        )
        self._looks = dict(zip(self._sized, looks, strict=True))

    def rows(self, checks: Mapping[int, Checks], cores: Lanes | None = None) -> dict[int, dict[str, Any]]:
        """Imagery columns of the ``features`` table by number of the outline.

        First every scene's claimed offset and air are checked, see :mod:`~plantation_rwa.features.scene_checks`: the
        offset is corrected, an observation in haze left out. Then each index per pixel and scene, the median over the
        month per pixel, then the coverage-weighted median (:mod:`~plantation_rwa.features.engine.selection`) over the
        outline shrunk by the edge buffer. A pixel belongs to one tile: the tile that covers most of the outline, then
        the next for what is left. A datatake counts once however many items hold it. ``valid_fraction`` and
        ``n_clear`` look at the bands of NDVI; ground that no tile reaches counts as not seen.

        Parameters
        ----------
        checks
            Rules and history of the checks, or verdicts formed elsewhere, by number of the outline.
        cores
            Runs the kernels side by side.

        Returns
        -------
        dict of dict
            The imagery columns (NaN where unknown), ``known_at`` (latest of the scenes that touch the outline,
            None without any), ``flags`` (sorted codes), ``problems`` (scene id, band, message of each
            unreadable scene, and each corrected offset as band ``offset``); where the scenes were judged here also
            ``trail`` (columns of ``features_scenes``) and ``records`` (of the readable scenes, for later months).
        """
        found = {n: _row(None, [], None, {"point"}, []) for n in checks if n not in self._looks}
        wanted = [n for n in checks if n in self._looks]
        chunks = [[wanted[k] for k in chunk] for chunk in chunks_of([self._looks[n] for n in wanted])]
        for made in (cores or OneLane()).map(lambda chunk: self._chunk(chunk, checks), chunks):
            found |= made
        return found

    def _chunk(self, chunk: Sequence[int], checks: Mapping[int, Checks]) -> dict[int, dict[str, Any]]:
        looks = [self._looks[n] for n in chunk]
        scenes = [readable(self._near[n], self._looks[n].lost) for n in chunk]
        judged = [k for k, n in enumerate(chunk) if checks[n].verdicts is None]
        figures: list[list[SceneFigures]] = [[] for _ in chunk]
        if judged:
            rules = checks[chunk[judged[0]]].rules
            seen = scene_figures([scenes[k] for k in judged], [looks[k] for k in judged], rules)
            for k, own in zip(judged, seen, strict=True):
                figures[k] = own
        verdicts = [_verdicts(s, f, checks[n]) for n, s, f in zip(chunk, scenes, figures, strict=True)]
        choices = [
            {key_of(s): v.offset for s, v in zip(own, of, strict=True) if v.used}
            for own, of in zip(scenes, verdicts, strict=True)
        ]
        samples = statistics(looks, choices, _NAMES, STRICT)
        lenient = (
            [k for k, look in enumerate(looks) if look.share.used and samples[k].valid_fraction < FEW_CLEAR]
            if self._lenient
            else []
        )
        again = statistics([looks[k] for k in lenient], [choices[k] for k in lenient], _NAMES, LENIENT)
        for k, sample in zip(lenient, again, strict=True):
            samples[k] = sample
        return {
            n: self._finished(
                n, scenes[k], figures[k], verdicts[k], samples[k], lenient=k in lenient, judged=k in judged
            )
            for k, n in enumerate(chunk)
        }

    def _finished(
        self,
        n: int,
        scenes: Sequence[SceneLike],
        figures: Sequence[SceneFigures],
        verdicts: Sequence[Verdict],
        sample: Figures,
        *,
        lenient: bool,
        judged: bool,
    ) -> dict[str, Any]:
        look = self._looks[n]
        used = {s.id for s in scenes}
        idle = [v for s in self._near[n] for v in versions_of(s) if v.id not in used]
        touching = [s for tile in look.share.used for s in tile.scenes]
        times = [s.known_at for s in (*touching, *idle)]
        flags = _flags(touching, verdicts, lost=bool(look.lost), lenient=lenient)
        problems = [(scene, *why) for scene, why in look.lost.items()]
        row = _row(sample, touching, max(times) if times else None, flags, problems)
        row["offset_inferred"] = any(v.inferred and v.used for v in verdicts)
        row["records"] = tuple(f.record for f in figures)
        profile = "lenient" if lenient else "strict"
        for scene, seen, verdict in zip(scenes, figures, verdicts, strict=False):
            row["trail"].append(trail_row(scene, seen, verdict, profile=profile))
            if verdict.inferred:
                row["problems"].append((scene.id, "offset", repair_text(row["trail"][-1])))
        if judged:
            row["trail"] += [idle_row(s, "unreadable" if s.id in look.lost else "replaced") for s in idle]
            for scene, line in zip((*scenes, *idle), row["trail"], strict=True):
                line["missing_bands"], line["item_faults"] = self._claims(scene)
                if line["outcome"] in UNSEEN:
                    line["item_faults"] = ""
        return row

    def _claims(self, scene: SceneLike) -> tuple[str, str]:
        """Bands that an item lacks, and what is wrong with what it says of its files; asked once per scene."""
        key = key_of(scene)
        if key not in self._claimed:
            bands = needed_bands(_NAMES)
            self._claimed[key] = missing_bands(scene, bands), item_faults(scene, bands, self._known)
        return self._claimed[key]


def plantation_month(
    outline: BaseGeometry,
    month: str,
    scenes: Sequence[SceneLike],
    reader: Reader,
    *,
    checks: Checks,
    profile: str = "strict",
    edge_buffer: Literal["auto"] | float = "auto",
) -> dict[str, Any]:
    """Imagery columns of one outline and month; see :class:`MonthOfOutlines` and :meth:`MonthOfOutlines.rows`."""
    gathered = MonthOfOutlines([Outline(outline, scenes, edge_buffer)], month, reader, profile=profile)
    return gathered.rows({0: checks})[0]


def _near(outline: Outline) -> list[SceneLike]:
    near = [s for s in outline.scenes if s.footprint is None or s.footprint.intersects(outline.shape)]
    return sorted(near, key=lambda s: (s.acquired, s.id, s.fingerprint))


def _verdicts(scenes: Sequence[SceneLike], figures: Sequence[SceneFigures], checks: Checks) -> list[Verdict]:
    if checks.verdicts is None:
        return judge([f.record for f in figures], checks.history, checks.rules)
    return [checks.verdicts.get(item_hash(s), Verdict(s.offset, "not_tested")) for s in scenes]


def _flags(touching: Sequence[SceneLike], verdicts: Sequence[Verdict], *, lost: bool, lenient: bool) -> set[str]:
    checks = {
        "scene_unreadable": lost,
        "scl_lenient": lenient,
        "no_scl": any("SCL" not in s.assets for s in touching),
        "haze_left_out": any(v.air in {"haze", "ndvi_drop"} for v in verdicts),
        "offset_inferred": any(v.inferred and v.used for v in verdicts),
        "offset_untested": any(v.offset_check == "no_history" and v.used for v in verdicts),
    }
    return {name for name, raised in checks.items() if raised}


def _edge(outline: Outline) -> float:
    return _auto_edge(outline.shape.wkb) if outline.edge_buffer == "auto" else float(outline.edge_buffer)


@functools.lru_cache(maxsize=20_000)
def _auto_edge(outline: bytes) -> float:
    """Metres off the edge of an outline: the same every month, and geodesics cost more than its other geometry."""
    shape = shapely.from_wkb(outline)
    return edge_buffer_m(area_ha(shape) * 1e4, perimeter_m(shape))


def _row(
    sample: Figures | None,
    touching: Sequence[SceneLike],
    known_at: pd.Timestamp | None,
    flags: set[str],
    problems: Iterable[tuple[str, str, str]],
) -> dict[str, Any]:
    names = (*_NAMES, "ndvi_mean", "ndmi_mean", "ndvi_p10", "ndvi_p90", "valid_fraction", "n_clear", "effective_pixels")
    row: dict[str, Any] = dict.fromkeys(names, float("nan"))
    row |= {"scenes": len({s.datatake for s in touching}), "offset_inferred": False, "known_at": known_at}
    if sample is not None and not touching:
        row |= {"valid_fraction": 0.0, "n_clear": 0.0, "effective_pixels": 0.0}
        flags = flags | {"no_imagery"}
    elif sample is not None:
        flags = flags | _fill(row, sample)
    return {**row, "flags": sorted(flags), "problems": sorted(problems), "trail": [], "records": ()}


def _fill(row: dict[str, Any], sample: Figures) -> set[str]:
    """Statistics of a sample into a row; returns the flags they raise."""
    row["valid_fraction"] = min(sample.valid_fraction, 1.0)
    row["n_clear"] = sample.n_clear
    for name in _NAMES:
        if sample.effective[name] < MIN_PIXELS:
            continue
        row[name] = sample.median[name]
        if f"{name}_mean" in row:
            row[f"{name}_mean"] = sample.mean[name]
        if name == "ndvi":
            row["ndvi_p10"], row["ndvi_p90"] = sample.p10, sample.p90
    flags = set()
    clear = row["effective_pixels"] = sample.clear_pixels
    if sample.valid_fraction == 0:
        flags.add("no_clear")
    elif sample.valid_fraction < FEW_CLEAR:
        flags.add("few_clear")
    if sample.pixels < MIN_PIXELS or 0 < clear < MIN_PIXELS:
        flags.add("few_pixels")
    return flags
