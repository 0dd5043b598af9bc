"""``verify --replay``: recompute every stage from what the stage before published, and compare."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely

from plantation_rwa.attest.checking import Findings
from plantation_rwa.attest.hashing import cell_text
from plantation_rwa.attest.records import record_key
from plantation_rwa.config import Config, load_config
from plantation_rwa.errors import PublishError, SchemaError
from plantation_rwa.executor import Runner
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Manifest, load_all
from plantation_rwa.run import forecast as forecast_stage
from plantation_rwa.run import valuation as valuation_stage
from plantation_rwa.run.attest import FOLDER
from plantation_rwa.run.earlier import earlier
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.inputs import load_inputs
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import note_scene_problems, read_all
from plantation_rwa.run.reading import CannotCheck
from plantation_rwa.run.record_inputs import record_rows
from plantation_rwa.run.report import components as page_components
from plantation_rwa.run.report import pages_of
from plantation_rwa.run.screening import screening_of, screening_tables
from plantation_rwa.run.session import Session, configuration_record, open_session, program_hash
from plantation_rwa.run.versions import foreign_attestation, told_program
from plantation_rwa.run.walk import run_date
from plantation_rwa.schema.checks import finalise
from plantation_rwa.schema.tables import table
from plantation_rwa.valuation.run import records as dicts

#: cells of a table that are listed one by one
_SHOWN = 2
_WHY = {
    "forecast_model": "the forecast is fitted on the whole portfolio, so every record changes",
    "price_model": "the price paths of every right rest on it",
    "code": "records of one date name several programs",
}


def replay(root: Path, config_path: Path, runner: str, out: Findings) -> None:
    """Recompute every attested date of a folder and note what comes out otherwise.

    Parameters
    ----------
    config_path
        The configuration the folder was made from; its inputs may have grown since.
    runner
        As of ``run``; no number depends on it.

    Raises
    ------
    CannotCheck
        If no date is attested, or records are without their salts.
    """
    config = load_config(config_path)
    publish = config.publish.model_copy(update={"out": str(root.resolve()), "profile": "full"})
    config = config.model_copy(update={"publish": publish})
    chosen = Runner.parse(runner, config.compute.workers, config.compute.memory_limit)
    inputs = load_inputs(config)
    try:
        every = load_all(root)
    except PublishError as error:
        out.refused.append(("replay", str(error)))
        return
    manifests = [m for m in every if m.of("attest")]
    if not manifests:
        raise CannotCheck(f"{root}: no date is attested; there is nothing to replay.")
    remade = set()
    for manifest in manifests:
        if foreign_attestation(root, manifest) is not None:
            out.refused.append((f"replay as_of={manifest.as_of}", "its attestation is of another version; see above"))
            continue
        session = as_it_was(open_session(config, inputs, dt.date.fromisoformat(manifest.as_of)), manifest)
        if _Replay(session, manifest, config, chosen.map, out).run():
            remade.add(manifest.as_of)
    if all(m.as_of in remade for m in every if m.of("report")):  # what verify alone had left open
        out.unchecked = [(where, why) for where, why in out.unchecked if where != "reports/"]


def as_it_was(session: Session, manifest: Manifest) -> Session:
    """The session as its date was published: without the earlier dates that were published only after it.

    The values name the earlier ones that they are explained from; if those are no longer what they were, all count.
    """
    stated = {o.components.get("earlier") for o in manifest.of("valuation")}
    dates = [m.as_of for m in session.published_before(session.root)]
    for count in range(len(dates), -1, -1):
        then = replaced(session, unborn=frozenset(dates[count:]))
        if valuation_stage.earlier_component(earlier(then)) in stated:
            return then
    return session


class _Replay:
    """One date."""

    def __init__(self, session: Session, manifest: Manifest, config: Config, work: Work, out: Findings) -> None:
        self.session, self.manifest, self.config, self.work, self.out = session, manifest, config, work, out
        self.where = f"replay {session.tag}"
        if manifest.profile != "full":
            raise CannotCheck(f"{self.where}: the profile '{manifest.profile}' holds no salts. Replay 'full'.")
        self.published = read_part(session.root / FOLDER / session.tag / "records.parquet")

    def run(self) -> bool:
        """All stages, each from the published tables of the one before; whether the pages came out the same."""
        same_pages = False
        self._given()
        note_scene_problems(self.session, self._parts("features"))
        before = len(self.out.failed)
        try:
            self._features()
            self._screening()
            self._forecast()
            self._valuation()
            self._records()
            same_pages = self._pages()
        except (PublishError, SchemaError, ValueError) as error:
            self.out.fail(self.where, f"stopped: {error}")
        self._program(same=len(self.out.failed) == before)
        return same_pages

    def _given(self) -> None:
        """Inputs and configuration against the manifest."""
        session, manifest = self.session, self.manifest
        for name, entry in session.snapshots.items():
            if dict(manifest.inputs.get(name, {})) != entry:
                self.out.fail(self.where, f"input '{name}' is not the one that the manifest names")
        if configuration_record(self.config)["sha256"] != manifest.configuration["sha256"]:
            self.out.fail(self.where, "the configuration is not the one that the manifest names")

    def _program(self, *, same: bool) -> None:
        """Say what it means that another program made the date; its word for that excuses no difference."""
        code = self.manifest.code
        if program_hash() == code["sha256"]:
            return
        other = f"another program made this date ({told_program(code)})"
        if same:
            told = "this one makes the same: every cell, every record but for the code it names"
            self.out.noted.append(f"{self.where}: {other}; {told}")
        else:
            told = "what differs above may come of that or of a forgery, and only a replay with that program tells"
            self.out.fail(self.where, f"{other}; {told}")

    def _features(self) -> None:
        names = ("features", "features_blocks", "features_scenes")
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            publish = self.config.publish.model_copy(update={"out": folder})
            config = self.config.model_copy(update={"publish": publish})
            session = replaced(self.session, config=config, root=root, reuse=(root,))
            run_date(session, stages=("features",), work=self.work)
            made = next(m for m in load_all(root) if m.as_of == self.manifest.as_of)
            new = {name: [Published(root, o) for o in made.tables(name)] for name in names}
            tables = {name: read_all(parts, partition_key="month") for name, parts in new.items() if parts}
            chips = read_all([Published(root, o) for o in made.tables("chips")])
        for name in names:
            old = self._read(name, partition_key="month") if self.manifest.tables(name) else pd.DataFrame()
            self._compare(name, old, tables.get(name, pd.DataFrame()), ("month", *table(name).key))
        old = self._read("chips") if self.manifest.tables("chips") else pd.DataFrame()
        self._compare("chips", old, chips, table("chips").key)

    def _screening(self) -> None:
        rows, exported = screening_tables(self.session, self._parts("features"))
        self._compare("screening", self._read("screening"), rows, table("screening").key)
        old = [o.sha256 for o in self.manifest.tables("traces")]
        if old != [hashlib.sha256(text.encode()).hexdigest() for text in exported]:
            self.out.fail(self.where, "traces: the export is not the one that comes out of these inputs")
        elif old:
            self.out.checked.append(f"{self.where}: traces, {len(old)} files reproduced")

    def _forecast(self) -> None:
        features = self._read("features", partition_key="month")
        for name, frame in forecast_stage.forecast_tables(self.session, features).items():
            self._compare(name, self._read(name), finalise(frame, name), table(name).key)

    def _valuation(self) -> None:
        features = self._read("features", partition_key="month")
        tables = valuation_stage.valuation_tables(
            self.session,
            features,
            self._read("forecasts"),
            self._read("forecast_model"),
            screening_of(self._parts("screening")),
            self.work,
            self._salts(),
            self._named(),
        )
        for name, frame in tables.items():
            self._compare(name, self._read(name), finalise(frame, name), table(name).key)

    def _records(self) -> None:
        names = ("valuations", "forecasts", "forecast_model", "price_model")
        made = record_rows(self.session, {n: self._read(n) for n in names}, self._salts(), program=self._named())
        old, new = ({(r["plantation_id"], r["right_id"]): r for r in dicts(f)} for f in (self.published, made))
        models = set()
        same = 0
        for key, row in old.items():
            name = f"record {key[0]}|{key[1]}"
            if key not in new:
                self.out.fail(self.where, f"{name}: the inputs of the replay hold no such right")
            elif new[key]["record_hash"] == row["record_hash"]:
                same += 1
            else:
                self.out.fail(self.where, f"{name}: hash differs: {_unlike(row, new[key])}")
                models |= _unlike_parts(row, new[key], "model")
        for part in sorted(models):
            self.out.fail(self.where, f"model hash differs: {part}: {_WHY[part]}")
        self.out.checked.append(f"{self.where}: {same} of {len(old)} record hashes reproduced")

    def _pages(self) -> bool:
        """The page and the memos, which nobody signs, made again from the published tables; whether they are equal."""
        old = {o.path: o for o in self.manifest.of("report")}
        if not old:
            return True
        with tempfile.TemporaryDirectory() as folder:
            made = pages_of(self.session.root, self.manifest, Path(folder))
        unlike = sorted(path for path in {*old, *made} if path not in old or made.get(path) != old[path].sha256)
        needed = page_components(self.session, self.manifest)
        if unlike and any(dict(o.components) != needed for o in old.values()):
            told = (
                f"{len(unlike)} of {len(old)} pages differ; another program, backtest or library of drawings made them"
            )
            self.out.unchecked.append((self.where, told))
            return False
        self.out.fail(self.where, *(f"{path}: is not the page that the published tables make" for path in unlike))
        if not unlike:
            self.out.checked.append(f"{self.where}: {len(old)} pages and memos reproduced")
        return not unlike

    def _named(self) -> str | None:
        """The program that the records name; None, which is this one, if they name several."""
        programs = {json.loads(str(row["components"]))["model"]["code"] for row in dicts(self.published)}
        return programs.pop() if len(programs) == 1 else None

    def _salts(self) -> dict[str, str]:
        rows = dicts(self.published)
        return {record_key(r["plantation_id"], r["right_id"], self.manifest.as_of): str(r["salt"]) for r in rows}

    def _parts(self, stage: str) -> list[Published]:
        return [Published(self.session.root, o) for o in self.manifest.of(stage)]

    def _read(self, name: str, *, partition_key: str = "") -> pd.DataFrame:
        parts = [Published(self.session.root, o) for o in self.manifest.tables(name)]
        return read_all(parts, partition_key=partition_key)

    def _compare(self, name: str, old: pd.DataFrame, new: pd.DataFrame, keys: Sequence[str]) -> None:
        faults, ties = differences(name, old, new, keys)
        if faults and name in _WHY:
            self.out.fail(self.where, f"model hash differs: {name}: {_WHY[name]}")
        self.out.fail(self.where, *faults)
        self.out.noted += [f"{self.where}: {tie}" for tie in ties]
        if not faults:
            self.out.checked.append(f"{self.where}: {name}, {len(old)} rows reproduced")


def differences(name: str, old: pd.DataFrame, new: pd.DataFrame, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """What two versions of a table do not have in common: faults, and roundings that fell the other way.

    Parameters
    ----------
    old, new
        Published and recomputed rows.
    keys
        Columns that identify a row.

    Returns
    -------
    faults, ties : lists of str
        A tie is a float that differs by one in its last published decimal.
    """
    if not len(old) or not len(new):
        return ([f"{name}: {len(old)} rows published, {len(new)} recomputed"] if len(old) != len(new) else []), []
    left, right = (_indexed(frame, keys) for frame in (old, new))
    if not left.index.equals(right.index):
        unlike = left.index.symmetric_difference(right.index)
        return [f"{name}: {len(unlike)} rows stand on one side only, the first is {_key(unlike[0])}"], []
    decimals = {f.name: f.decimals for f in table(name).fields}
    faults: list[str] = []
    ties: list[str] = []
    for column in (c for c in left.columns if c in right.columns):
        a, b = left[column], right[column]
        step = 10.0 ** -(decimals.get(column) or 0)
        apart: dict[bool, list[int]] = {True: [], False: []}
        for row in np.flatnonzero(_unequal(a, b)).tolist():
            near = pd.api.types.is_float_dtype(a.dtype) and abs(a.iloc[row] - b.iloc[row]) < 1.5 * step
            apart[bool(near)].append(row)
        for found, rows in ((faults, apart[False]), (ties, apart[True])):
            found += [
                f"{name}: {column} at {_key(left.index[row])}: {_shown(a.iloc[row])} -> {_shown(b.iloc[row])}"
                for row in rows[:_SHOWN]
            ]
            if len(rows) > _SHOWN:
                found.append(f"{name}: {column}: {len(rows) - _SHOWN} cells more")
    return faults, ties


def _indexed(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    plain = pd.DataFrame(frame).reset_index(drop=True)
    texts = [[cell_text(v) or "" for v in plain[k]] for k in keys]
    plain.index = pd.MultiIndex.from_arrays(texts, names=list(keys))
    return plain.sort_index(kind="stable")


def _unequal(a: pd.Series, b: pd.Series) -> Any:
    if a.name == "geometry":
        pair = [shapely.normalize(shapely.force_2d(s.to_numpy(dtype=object))) for s in (a, b)]
        both_missing = shapely.is_missing(pair[0]) & shapely.is_missing(pair[1])
        return ~(shapely.equals_identical(*pair) | both_missing)
    if pd.api.types.is_float_dtype(a.dtype) and pd.api.types.is_float_dtype(b.dtype):
        x, y = a.to_numpy(dtype=float, na_value=np.nan), b.to_numpy(dtype=float, na_value=np.nan)
        return ~((x == y) | (np.isnan(x) & np.isnan(y)))
    return np.array([cell_text(x) != cell_text(y) for x, y in zip(a, b, strict=True)], dtype=bool)


def _key(key: Any) -> str:
    return "|".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _shown(value: Any) -> str:
    text = cell_text(value) or "nothing"
    return text if len(text) <= 40 else text[:37] + "..."


def _unlike(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Which inputs, model parts and fields of a record differ."""
    parts = {group: sorted(_unlike_parts(old, new, group)) for group in ("inputs", "model")}
    told = [f"{group} {', '.join(names)}" for group, names in parts.items() if names]
    before, after = json.loads(old["record"]), json.loads(new["record"])
    fields = sorted({k for k in {*before, *after} if before.get(k) != after.get(k)} - {"inputs_hash", "model_hash"})
    told += [f"{k} {before.get(k, 'nothing')} -> {after.get(k, 'nothing')}" for k in fields]
    return "; ".join(told) or "salt"


def _unlike_parts(old: Mapping[str, Any], new: Mapping[str, Any], group: str) -> set[str]:
    before, after = (json.loads(row["components"])[group] for row in (old, new))
    return {k for k in {*before, *after} if before.get(k) != after.get(k)}
