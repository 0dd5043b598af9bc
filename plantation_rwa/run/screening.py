"""Screening beside the stages: evidence on the land of each plantation, published before values are made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import pandas as pd
import shapely

from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.publish.manifest import Output
from plantation_rwa.run import land
from plantation_rwa.run.partitions import History, PartitionPlan, Published, plan_whole
from plantation_rwa.run.publishing import Target, publish_part, read_all
from plantation_rwa.run.session import Session, code_hash, identity, short, table_hash
from plantation_rwa.schema.checks import finalise
from plantation_rwa.screening import papers
from plantation_rwa.screening.disturbance import disturbance_finding
from plantation_rwa.screening.eudr import geolocation_finding, land_finding
from plantation_rwa.screening.overlaps import overlap_findings
from plantation_rwa.screening.rules import Finding, screened, screening_rows
from plantation_rwa.screening.shares import Share, polygon_share
from plantation_rwa.screening.traces import Place, traces_export

STAGE = TABLE = "screening"
_SECTIONS = ("screening", "traces")


def components(session: Session, features: Sequence[PartitionPlan]) -> dict[str, str]:
    """What the screening depends on, known before anything is looked at."""
    known, snapshots = session.known, session.snapshots
    plots, told = land.published_plots(session)
    numbers = {k: v for k, v in session.assumptions.resolved().items() if k.split(".")[0] in _SECTIONS}
    traces = session.config.compliance.traces
    seen = [f"{p.table}/{p.partition}:{p.fingerprint}" for p in features if p.table in ("features", "features_blocks")]
    return {
        "code": code_hash("screening")[:16],
        "configuration": short([numbers, session.config.simulated, traces and traces.model_dump()]),
        "evidence": short(
            [
                {name: table_hash(table) for name, table in known.evidence.tables.items()},
                [[x.label, x.kind, x.sha256, x.values, x.lower, x.upper, str(x.extent)] for x in known.evidence.layers],
            ]
        ),
        "features": short(seen),
        "published": land.plots_hash(plots, told),
        "register": "".join(str(snapshots[n]["sha256"])[:8] for n in ("register", "blocks", "sponsors", "mills")),
    }


def publish_screening(
    session: Session, history: History, target: Target, needed: Mapping[str, str], parts: Sequence[Published]
) -> list[Published]:
    """Table and export of this date: made if anything they depend on has changed.

    Parameters
    ----------
    needed
        See :func:`components`.
    parts
        Published features; without any nothing is screened.
    """
    if not parts:
        return []
    plan = plan_whole(
        history, stage=STAGE, tables=(TABLE, "traces"), partition=session.tag, components=needed, force=session.force
    )
    if not plan.todo:
        return list(plan.reuse)
    rows, exported = screening_tables(session, parts)
    made = [
        publish_part(
            target,
            rows,
            stage=STAGE,
            table=TABLE,
            folder=session.tag,
            partition=session.tag,
            fingerprint=identity(needed),
            components=needed,
        )
    ]
    for n, text in enumerate(exported, start=1):
        made.append(_write(session, target, text, n, needed))
    return made


def screening_tables(session: Session, parts: Sequence[Published]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Table ``screening`` and the texts of the export, from published features and what is known of the land."""
    findings = _Screening(session, parts).findings()
    exported, left_out = _export(session, findings)
    findings = [_with_export(f, left_out) for f in findings] if session.config.compliance.traces else findings
    rows = screening_rows(findings, session.assumptions.text("screening.rule_version"))
    return finalise(rows, TABLE), exported


def screening_of(parts: Sequence[Published]) -> pd.DataFrame:
    """``plantation_id, eudr_screen, overlap_max_frac`` from the published screening."""
    return screened(read_all([p for p in parts if p.output.table == TABLE]))


class _Screening:
    """All rules over all plantations of a date."""

    def __init__(self, session: Session, parts: Sequence[Published]) -> None:
        self.session, self.parts = session, parts
        self.known, self.assumptions = session.known, session.assumptions
        self.evidence = session.known.evidence
        self.register = session.known.register

    def findings(self) -> list[Finding]:
        """Every rule for every plantation."""
        outlines = dict(zip(self.register["plantation_id"], self.register["geometry"], strict=True))
        shares = land.layer_shares(self.evidence.layers, outlines, self.assumptions)
        whisp = land.whisp_results(self.evidence)
        units = land.land_units(
            self.register, self.known.blocks, self._features("features"), self._features("features_blocks")
        )
        found: list[Finding] = []
        for row in self.register.itertuples(index=False):
            own, vote = disturbance_finding(
                row.plantation_id, units[row.plantation_id], self.session.month, self.assumptions
            )
            found += [
                self._geolocation(row),
                land_finding(
                    row.plantation_id,
                    shares[row.plantation_id],
                    whisp.get(row.plantation_id),
                    vote,
                    point=bool(row.is_point),
                    assumptions=self.assumptions,
                ),
                own,
                self._country(row),
                self._area(row),
                self._documents(row),
                self._tenure(row),
                self._sanctions(row),
            ]
        plots = land.register_plots(self.register)
        others, told = land.published_plots(self.session)
        among = f"{len(plots)} plantations of the register"
        found += overlap_findings("overlap_portfolio", plots, None, among, self.assumptions)
        return found + overlap_findings("overlap_published", plots, others, told, self.assumptions)

    def _features(self, table: str) -> pd.DataFrame:
        parts = [p for p in self.parts if p.output.table == table]
        if not parts:
            columns = ("plantation_id", "block_id", "month", "nbr", "ndmi", "n_clear")
            return pd.DataFrame({n: pd.Series(dtype="object") for n in columns})
        return read_all(parts, partition_key="month")

    def _geolocation(self, row: Any) -> Finding:
        area = row.planted_area_ha if row.is_point else row.area_geodesic_ha
        return geolocation_finding(
            row.plantation_id,
            row.geometry,
            float(area),
            repaired="geometry_repaired" in str(row.flags).split(";"),
            country=row.country,
            assumptions=self.assumptions,
        )

    def _area(self, row: Any) -> Finding:
        declared = None if pd.isna(row.declared_area_ha) else float(row.declared_area_ha)
        measured = None if row.is_point else float(row.area_geodesic_ha)
        return papers.area_finding(row.plantation_id, declared, measured, self.assumptions)

    @cached_property
    def _boundaries(self) -> dict[str, tuple[list[Any], shapely.STRtree]]:
        table = self.evidence.boundaries
        if table is None:
            return {}
        groups = {str(c): list(g.geometry) for c, g in table.groupby("country")}
        return {c: (polygons, shapely.STRtree(polygons)) for c, polygons in groups.items()}

    def _country(self, row: Any) -> Finding:
        inside = None
        if self.evidence.boundaries is not None:
            polygons, tree = self._boundaries.get(row.country, ([], shapely.STRtree([])))
            whole = shapely.box(-180, -90, 180, 90)
            share = polygon_share(row.geometry, polygons, tree, whole) if polygons else Share(0, 1, 1)
            inside = share.fractions[0]
        listed = self.evidence.countries
        risks = {} if listed is None else dict(zip(listed["country"], listed["risk"], strict=True))
        return papers.country_finding(
            row.plantation_id, row.country, inside, risks.get(row.country), listed is not None, self.assumptions
        )

    @cached_property
    def _documents_of(self) -> dict[str, list[dict[str, Any]]]:
        return _by_plantation(self.evidence.documents)

    @cached_property
    def _tenure_of(self) -> dict[str, list[dict[str, Any]]]:
        return _by_plantation(self.evidence.tenure)

    def _documents(self, row: Any) -> Finding:
        documents = [
            papers.Document(d["document"], d["sha256"], d["found"], d["fault"], _day(d["valid_until"]))
            for d in self._documents_of.get(row.plantation_id, ())
        ]
        return papers.documents_finding(row.plantation_id, documents, self.session.as_of)

    def _titles(self, plantation: str) -> list[papers.Title]:
        rows = self._tenure_of.get(plantation, ())
        return [papers.Title(t["title"], t["holder"], _day(t["valid_from"]), _day(t["valid_to"])) for t in rows]

    def _tenure(self, row: Any) -> Finding:
        return papers.tenure_finding(
            row.plantation_id,
            self._titles(row.plantation_id),
            supplied=self.evidence.tenure is not None,
            tenure_end=_day(row.tenure_end),
            sponsor=self._names["sponsor"].get(row.sponsor_id, ""),
            as_of=self.session.as_of,
            assumptions=self.assumptions,
        )

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        return {
            "sponsor": _named(self.known.sponsors, "sponsor_id"),
            "mill": _named(self.known.mills, "mill_id"),
        }

    def _roles(self, row: Any) -> dict[str, str]:
        """Names that stand behind a plantation, with their roles."""
        named = {t.holder: "title holder" for t in self._titles(row.plantation_id) if t.holder}
        for role, key in (("mill", row.mill_id), ("sponsor", row.sponsor_id)):
            name = self._names[role].get(key, "")
            if name:
                named[name] = role
        return named

    @cached_property
    def _met(self) -> dict[str, papers.Match] | None:
        table = self.evidence.sanctions
        if table is None:
            return None
        listed = [papers.Listed(str(r["name"]), str(r["list"])) for r in table.to_dict("records")]
        names = {n for row in self.register.itertuples(index=False) for n in self._roles(row)}
        return papers.names_met(names, listed, self.assumptions)

    def _sanctions(self, row: Any) -> Finding:
        return papers.sanctions_finding(row.plantation_id, self._roles(row), self._met, self.assumptions)


def _export(session: Session, findings: Sequence[Finding]) -> tuple[tuple[str, ...], dict[str, str]]:
    """GeoJSON texts in the form of TRACES, and why plantations are not in them; nothing if not asked for."""
    settings = session.config.compliance.traces
    if settings is None:
        return (), {}
    bad = {f.plantation_id: f.finding for f in findings if f.rule == "eudr_geolocation" and f.state == "fail"}
    sponsors = _named(session.known.sponsors, "sponsor_id")
    places = [
        Place(
            r.plantation_id,
            r.geometry,
            float(r.planted_area_ha if r.is_point else r.area_geodesic_ha),
            r.country,
            settings.producer_name or sponsors.get(r.sponsor_id, ""),
        )
        for r in session.known.register.itertuples(index=False)
        if r.plantation_id not in bad
    ]
    made = traces_export(places, session.assumptions)
    return made.files, {**bad, **made.left_out}


def _with_export(found: Finding, left_out: Mapping[str, str]) -> Finding:
    """The geolocation rule says whether the plot is in the export."""
    if found.rule != "eudr_geolocation":
        return found
    reason = left_out.get(found.plantation_id)
    told = "in the TRACES export" if reason is None else f"not in the TRACES export: {reason}"
    values = {k: getattr(found, k) for k in Finding.__dataclass_fields__}
    return Finding(**{**values, "evidence": (*found.evidence, told)})


def _write(session: Session, target: Target, text: str, number: int, needed: Mapping[str, str]) -> Published:
    """One export file; like every part its name carries its identity."""
    fingerprint = identity(needed)
    relative = f"{TABLE}/{session.tag}/traces-{fingerprint[:12]}-{number:03d}.geojson"
    file = write_text_atomically(target.root / relative, text)
    output = Output(STAGE, "traces", session.tag, relative, file.sha256, file.bytes, 0, fingerprint, dict(needed))
    return Published(target.root, output)


def _named(table: pd.DataFrame, key: str) -> dict[str, str]:
    return {str(k): str(n) for k, n in zip(table[key], table["name"], strict=True) if n} if len(table) else {}


def _by_plantation(table: pd.DataFrame | None) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in [] if table is None else table.to_dict("records"):
        found.setdefault(str(row["plantation_id"]), []).append({str(k): v for k, v in row.items()})
    return found


def _day(value: Any) -> dt.date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()
