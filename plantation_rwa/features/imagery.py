"""Imagery features of plantations in one month: which scenes and blocks to read, and what the pixels say.

The pixels themselves are shown on request: :func:`monthly_composite` gives the monthly medians of a tile as lazy,
dask-backed xarray with its CRS, from the same kernels.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.composites import monthly_composite
from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.engine.bits import CHECKED, LENIENT, STRICT
from plantation_rwa.features.engine.gathered import SceneKey, key_of
from plantation_rwa.features.engine.ground import Targets
from plantation_rwa.features.engine.lanes import Lanes, OneLane
from plantation_rwa.features.engine.month import chunks_of, files_of, gather_month, statistics
from plantation_rwa.features.engine.samples import Figures
from plantation_rwa.features.engine.shares import KnownGrids, Shares
from plantation_rwa.features.indices import INDICES, needed_bands
from plantation_rwa.features.month_checks import Believed, Checks, Judged
from plantation_rwa.features.month_part import MonthPart, SceneTrail, Verdicts, flags_of
from plantation_rwa.features.observations import Reader, SceneLike, readable, versions_of
from plantation_rwa.features.scene_checks import OTHER_OFFSET, SceneLines, Verdict, judge_lines
from plantation_rwa.features.scene_claims import crs_faults, item_faults, missing_bands
from plantation_rwa.features.scene_figures import scene_figures
from plantation_rwa.features.scene_trail import head_of, item_hash
from plantation_rwa.grid import area_ha, edge_buffer_m, perimeter_m

__all__ = ["Believed", "Checks", "Judged", "MonthOfOutlines", "Outline", "monthly_composite", "plantation_month"]

#: effective pixels (sum of covered fractions) below which indices are withheld
MIN_PIXELS = 12.0
#: valid fraction below which a month is called few_clear and the lenient classes are tried
FEW_CLEAR = 0.3
_NAMES = tuple(INDICES)
_BANDS = tuple(dict.fromkeys((*CHECKED, *needed_bands(_NAMES))))


class Outline(NamedTuple):
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


@dataclass(frozen=True)
class _Cohort:
    """Outlines that have the same scenes, of which the same cannot be read.

    Parameters
    ----------
    looks
        Numbers of the looks.
    scenes
        Best readable version of each scene.
    idle
        Versions of which no pixel counts.
    touching
        Scenes of the tiles that reach the outlines.
    lost
        Band and message of each scene that could not be read, by its id.
    """

    looks: NDArray[np.intp]
    scenes: tuple[SceneLike, ...]
    idle: tuple[SceneLike, ...]
    touching: tuple[SceneLike, ...]
    lost: Mapping[str, tuple[str, str]]

    @property
    def known_at(self) -> pd.Timestamp | None:
        """When the last of the scenes became known."""
        return max((s.known_at for s in (*self.touching, *self.idle)), default=None)


def files_of_scenes(scenes: Sequence[SceneLike]) -> set[Any]:
    """Assets of some scenes that a month may read: their grids may be asked for beforehand."""
    return files_of(scenes, _BANDS)


class MonthOfOutlines:
    """The numbers under some outlines in one month, gathered; :meth:`parts` makes features of them.

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
    known
        Grids of files that were asked for before.
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
        known: KnownGrids | None = None,
    ) -> None:
        if profile not in {"strict", "lenient"}:
            raise ValueError(f"{month}: no SCL profile '{profile}'; known: strict, lenient")
        self._lenient = profile == "lenient"
        shapes = np.array([o.shape for o in outlines], object)
        near = _near(outlines, shapes)
        # a plot given as a point has no pixels
        sized = shapely.area(shapes) > 0
        self._points, self._outlines = np.flatnonzero(~sized), np.flatnonzero(sized)
        edges = np.array([_auto_edge(o.shape.wkb) if o.edge_buffer == "auto" else o.edge_buffer for o in outlines])
        targets = Targets(shapes, near, edges.astype(np.float64)).take(self._outlines)
        self._known, self._claimed = known or KnownGrids(reader), dict[SceneKey, tuple[str, str, str]]()
        self._looks = gather_month(
            targets,
            self._known,
            names=_NAMES,
            bands=_BANDS,
            lenient=self._lenient,
            shares=shares or Shares(),
            lanes=lanes or OneLane(),
        )
        self._cohorts = self._same_scenes(targets.scenes)

    def _same_scenes(self, near: Encoded[tuple[SceneLike, ...]]) -> list[_Cohort]:
        found = []
        for (own, used, losses), rows in Encoded.together(near, self._looks.ground.used, self._looks.lost).groups():
            lost = dict(losses)
            scenes = tuple(readable(own, lost))
            ids = {s.id for s in scenes}
            idle = tuple(v for s in own for v in versions_of(s) if v.id not in ids)
            touching = tuple(s for tile in used for s in tile.scenes)
            found.append(_Cohort(rows, scenes, idle, touching, lost))
        return found

    def parts(self, numbers: Sequence[int], checks: Judged | Believed, cores: Lanes | None = None) -> list[MonthPart]:
        """Imagery columns of the ``features`` table for some outlines, those under the same scenes together.

        First every scene's claimed offset and air are checked, see :mod:`~plantation_rwa.features.scene_checks`: the
        offset is corrected, an observation in haze left out. Then each index per pixel and scene, the median over the
        month per pixel, then the coverage-weighted median (:mod:`~plantation_rwa.features.engine.selection`) over the
        outline shrunk by the edge buffer. A pixel belongs to one tile: the tile that covers most of the outline, then
        the next for what is left. A datatake counts once however many items hold it. ``valid_fraction`` and
        ``n_clear`` look at the bands of NDVI; ground that no tile reaches counts as not seen.

        Parameters
        ----------
        numbers
            Of the outlines wanted, each once.
        checks
            What their scenes are checked by.
        cores
            Runs the kernels side by side.

        Returns
        -------
        list of MonthPart
            Every outline in one of them. ``problems`` are those of unreadable scenes, corrected offsets (band
            ``offset``), impossible bands (``bands``), and files in another CRS (``crs``).
        """
        place = np.full(len(self._outlines) + len(self._points), -1)
        place[np.array(numbers, np.intp)] = np.arange(len(numbers))
        tasks = []
        for c, cohort in enumerate(self._cohorts):
            wanted = cohort.looks[place[self._outlines[cohort.looks]] >= 0]
            for chunk in chunks_of(self._looks.ground.pixels[wanted].tolist()):
                own = wanted[chunk]
                tasks.append((c, own, checks.of(place[self._outlines[own]])))
        made: dict[int, list[MonthPart]] = {}
        done = (cores or OneLane()).map(lambda task: self._part(self._cohorts[task[0]], *task[1:]), tasks)
        for (c, *_), part in zip(tasks, done, strict=True):
            made.setdefault(c, []).append(part)
        points = self._points[place[self._points] >= 0]
        return [*([_points(points)] if points.size else []), *(MonthPart.joined(own) for own in made.values())]

    def _part(self, cohort: _Cohort, rows: NDArray[np.intp], checks: Judged | Believed) -> MonthPart:
        looks, scenes = self._looks.take(rows), cohort.scenes
        lines, shares = None, np.empty((len(looks), 0, 2))
        if isinstance(checks, Judged):
            lines, shares = scene_figures(scenes, looks, checks.rules)
            claimed = [s.offset for s in scenes]
            codes = judge_lines(lines, checks.past, checks.rules)
            verdicts = Verdicts.judged(codes, claimed, [OTHER_OFFSET.get(c, c) for c in claimed])
        else:
            verdicts = Verdicts.given([_believed(scenes, own) for own in checks.verdicts])
        offsets = np.where(verdicts.used, verdicts.offset, np.nan)
        sample = statistics(looks, scenes, offsets, _NAMES, STRICT)
        lenient = np.zeros(len(looks), bool)
        if self._lenient and cohort.touching:
            lenient = sample.valid_fraction < FEW_CLEAR
            again = np.flatnonzero(lenient)
            sample.put(again, statistics(looks.take(again), scenes, offsets[again], _NAMES, LENIENT))
        trail = None if lines is None else self._trail(cohort, lines, shares, verdicts, lenient)
        return self._finished(cohort, self._outlines[rows], verdicts, sample, lenient, trail)

    def _trail(
        self,
        cohort: _Cohort,
        lines: SceneLines,
        shares: NDArray[np.float64],
        verdicts: Verdicts,
        lenient: NDArray[np.bool_],
    ) -> SceneTrail:
        outcomes = tuple("unreadable" if s.id in cohort.lost else "replaced" for s in cohort.idle)
        heads = []
        for n, scene in enumerate((*cohort.scenes, *cohort.idle)):
            lacking, faults, _ = self._claims(scene)
            faults = faults if n < len(cohort.scenes) else ""
            heads.append({**head_of(scene), "missing_bands": lacking, "item_faults": faults})
        return SceneTrail(tuple(heads), outcomes, lines, shares, verdicts, lenient)

    def _finished(
        self,
        cohort: _Cohort,
        outlines: NDArray[np.intp],
        verdicts: Verdicts,
        sample: Figures,
        lenient: NDArray[np.bool_],
        trail: SceneTrail | None,
    ) -> MonthPart:
        count, shared = len(outlines), [(scene, *why) for scene, why in cohort.lost.items()]
        raised = verdicts.flags()
        raised["scene_unreadable"] = np.full(count, bool(cohort.lost))
        raised["scl_lenient"] = lenient
        raised["no_scl"] = np.full(count, any("SCL" not in s.assets for s in cohort.touching))
        columns, own = _columns(sample, count, seen=bool(cohort.touching))
        columns["scenes"] = np.full(count, len({s.datatake for s in cohort.touching}))
        columns["offset_inferred"] = raised["offset_inferred"]
        own_problems: dict[int, list[tuple[str, str, str]]] = {}
        if trail is not None:
            elsewhere = [(s.id, "crs", text) for s in cohort.scenes if (text := self._claims(s)[2])]
            shared += elsewhere
            raised["scene_crs"] = np.full(count, bool(elsewhere))
            for n, problem in trail.problems():
                own_problems.setdefault(n, list(shared)).append(problem)
        problems = np.zeros(count, np.intp)
        problems[list(own_problems)] = np.arange(len(own_problems)) + 1
        told = Encoded(tuple(tuple(sorted(each)) for each in (shared, *own_problems.values())), problems)
        return MonthPart(outlines, columns, cohort.known_at, flags_of(raised | own, count), told, trail)

    def _claims(self, scene: SceneLike) -> tuple[str, str, str]:
        """Bands that an item lacks, what it says wrongly of its files, those in another CRS; asked once per scene."""
        key = key_of(scene)
        if key not in self._claimed:
            bands = needed_bands(_NAMES)
            faults = item_faults(scene, bands, self._known), crs_faults(scene, bands, self._known)
            self._claimed[key] = missing_bands(scene, bands), *faults
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
    """Imagery columns of one outline and month as :meth:`MonthPart.row` gives them, see :class:`MonthOfOutlines`."""
    gathered = MonthOfOutlines([Outline(outline, scenes, edge_buffer)], month, reader, profile=profile)
    (part,) = gathered.parts([0], checks.of_outlines(1))
    return part.row(0)


def _near(outlines: Sequence[Outline], shapes: NDArray[Any]) -> Encoded[tuple[SceneLike, ...]]:
    """Scenes of each outline whose footprint meets it, in order."""
    found: list[tuple[SceneLike, ...]] = []
    places = np.empty(len(outlines), np.intp)
    for asked, rows in Encoded.by([o.scenes for o in outlines], id).groups():
        scenes = sorted(asked, key=lambda s: (s.acquired, s.id, s.fingerprint))
        hits = np.ones((len(rows), len(scenes)), bool)
        known: dict[bytes, NDArray[np.bool_]] = {}
        for k, scene in enumerate(scenes):
            if scene.footprint is not None:
                name = scene.footprint.wkb
                if name not in known:
                    shapely.prepare(scene.footprint)
                    known[name] = shapely.intersects(scene.footprint, shapes[rows])
                hits[:, k] = known[name]
        alike = Encoded.by([row.tobytes() for row in hits], lambda name: name)
        places[rows] = alike.places + len(found)
        found += [tuple(s for s, hit in zip(scenes, own, strict=True) if hit) for own in alike.values]
    return Encoded(tuple(found), places)


def _believed(scenes: Sequence[SceneLike], verdicts: Mapping[str, Verdict]) -> list[Verdict]:
    return [verdicts.get(item_hash(s), Verdict(s.offset, "not_tested")) for s in scenes]


@functools.lru_cache(maxsize=20_000)
def _auto_edge(outline: bytes) -> float:
    """Metres off the edge of an outline: the same every month, and geodesics cost more than its other geometry."""
    shape = shapely.from_wkb(outline)
    return edge_buffer_m(area_ha(shape) * 1e4, perimeter_m(shape))


#: columns beside the indices
_MORE = ("ndvi_mean", "ndmi_mean", "ndvi_p10", "ndvi_p90", "valid_fraction", "n_clear", "effective_pixels")


def _points(outlines: NDArray[np.intp]) -> MonthPart:
    """Outlines without any ground."""
    count = len(outlines)
    columns: dict[str, NDArray[Any]] = {name: np.full(count, np.nan) for name in (*_NAMES, *_MORE)}
    columns |= {"scenes": np.zeros(count, np.int64), "offset_inferred": np.zeros(count, bool)}
    every = np.zeros(count, np.intp)
    return MonthPart(outlines, columns, None, Encoded((("point",),), every), Encoded(((),), every))


def _columns(
    sample: Figures, count: int, *, seen: bool
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.bool_]]]:
    """Statistics as columns, and the flags they raise; ``seen`` is whether a scene touches the outlines."""
    columns: dict[str, NDArray[Any]] = {name: np.full(count, np.nan) for name in (*_NAMES, *_MORE)}
    if not seen:
        columns |= {name: np.zeros(count) for name in ("valid_fraction", "n_clear", "effective_pixels")}
        return columns, {"no_imagery": np.ones(count, bool)}
    fraction, clear = sample.valid_fraction, sample.clear_pixels
    columns |= {"valid_fraction": np.minimum(fraction, 1.0), "n_clear": sample.n_clear, "effective_pixels": clear}
    for name in _NAMES:
        enough = ~(sample.effective[name] < MIN_PIXELS)
        columns[name] = np.where(enough, sample.median[name], np.nan)
        if f"{name}_mean" in columns:
            columns[f"{name}_mean"] = np.where(enough, sample.mean[name], np.nan)
        if name == "ndvi":
            columns["ndvi_p10"], columns["ndvi_p90"] = (np.where(enough, q, np.nan) for q in (sample.p10, sample.p90))
    flags = {
        "no_clear": fraction == 0,
        "few_clear": (fraction != 0) & (fraction < FEW_CLEAR),
        "few_pixels": (sample.pixels < MIN_PIXELS) | ((clear > 0) & (clear < MIN_PIXELS)),
    }
    return columns, flags
