"""One date, stage by stage: plan, compute what changed, publish, manifest last."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from plantation_rwa.errors import LeaseLostError, PlantationError
from plantation_rwa.executor import on_cores
from plantation_rwa.publish.files import SharedFolder, remove_stale
from plantation_rwa.publish.leases import Leases
from plantation_rwa.publish.manifest import Manifest, Output, code_version, save
from plantation_rwa.publish.working_copy import shared
from plantation_rwa.run import features as features_stage
from plantation_rwa.run.ahead import ImageryOfDates
from plantation_rwa.run.chips import publish_chips
from plantation_rwa.run.claims import claim
from plantation_rwa.run.copies import copies_there, write_copies
from plantation_rwa.run.feature_tables import feature_rows
from plantation_rwa.run.finishing import Finish, read_table
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.imagery_rows import RowsOfDate
from plantation_rwa.run.outcome import RunReport, counted
from plantation_rwa.run.partitions import History, PartitionPlan, Published, plan_whole
from plantation_rwa.run.progress import Progress, Silent, StageClock
from plantation_rwa.run.publishing import Target, note_scene_problems, publish_part, remove_unnamed, take_back
from plantation_rwa.run.scenes import Unit
from plantation_rwa.run.screening import components as screening_components
from plantation_rwa.run.screening import publish_screening, screening_of
from plantation_rwa.run.sensor_flags import publish_flags
from plantation_rwa.run.session import (
    STAGES,
    Session,
    configuration_record,
    identity,
    program_hash,
    provenance,
    short,
)
from plantation_rwa.run.signals import publish_signals
from plantation_rwa.schema.checks import finalise

#: what is published beside the stages, the first two before the forecast
_BESIDE = ("screening", "chips", "signals", "quarantine", "sensor_flags")


def run_date(
    session: Session,
    *,
    stages: Sequence[str] = STAGES,
    work: Work,
    progress: Progress | None = None,
    imagery: ImageryOfDates | None = None,
    beside: bool = True,
) -> RunReport:
    """Run the stages of one valuation date and publish.

    Parameters
    ----------
    work
        Runs imagery units; see :class:`plantation_rwa.executor.Runner`.
    imagery
        Shared by the dates of a backfill.
    beside
        Whether to publish what stands beside the stages too: screening, quarantine, sensor flags, copies, catalog. A
        date that only feeds a backtest needs none of it.

    Raises
    ------
    StageError
        If a stage before the first chosen one has not been published for this date.
    """
    chosen = tuple(s for s in STAGES if s in stages)
    with shared(session.root) as folder, Leases(session.root) as leases:
        history, plan = claim(session, chosen, leases)
        walk = _Walk(
            session, chosen, work, progress or Silent(), folder, leases, imagery or ImageryOfDates(), beside=beside
        )
        try:
            return walk.run(history, plan)
        except LeaseLostError:  # another run makes parts of the same names
            raise
        except PlantationError:
            take_back(walk.target)
            raise


class _Walk:
    def __init__(
        self,
        session: Session,
        stages: Sequence[str],
        work: Work,
        progress: Progress,
        folder: SharedFolder,
        leases: Leases,
        imagery: ImageryOfDates,
        *,
        beside: bool,
    ) -> None:
        self.beside = beside
        self.session, self.stages, self.work, self.imagery = session, stages, work, imagery
        self.folder, self.leases = folder, leases
        self.target = Target(session.root, session.config.simulated)
        self.clock = StageClock(progress)
        self.report = RunReport(session.as_of.isoformat(), session.root)
        self.published: dict[str, list[Published]] = {}
        self.lost: set[tuple[str, ...]] = set()

    def run(self, history: History, plan: features_stage.FeatureWork) -> RunReport:
        self.history, self.feature_work = history, plan
        found = history.manifest(self.session.as_of.isoformat())
        self.old = found[1] if found and found[0] == self.session.root else None
        remove_stale(self.session.root)
        if "features" in self.stages:
            self._features()
        note_scene_problems(self.session, self._parts("features"))
        if self.beside:
            self._screening()
            scenes, parts = self.feature_work.scenes, self._parts("features")
            self.published["chips"] = publish_chips(self.session, self.history, self.target, scenes, parts)
        for stage in ("forecast", "valuation"):
            if stage in self.stages:
                self._whole(stage)
        if self.beside:
            self.published["signals"] = publish_signals(self.session, self.history, self.target)
            self._quarantine()
            self.published["sensor_flags"] = publish_flags(self.session, self.history, self.target)
        with self.folder.turn():
            self.leases.check()
            manifest = self._publish()
        self.imagery.published(self.session.as_of)
        self.report.manifest, self.report.seconds = manifest, self.clock.seconds
        self.report.parts = [part for parts in self.published.values() for part in parts]
        self.report.read_tables()
        if self.folder.last():
            remove_unnamed(self.session.root, manifest.as_of)
        return self.report

    def _publish(self) -> Manifest:
        manifest, root = self._manifest(), self.session.root
        finish = Finish(self.session, self.history, self._parts)
        for stage in ("attest", "report"):
            manifest, done = finish.stage(stage, manifest, wanted=stage in self.stages, clock=self.clock)
            self.published[stage] = done.published
            if stage in self.stages:
                self._count(stage, int(done.computed), int(not done.computed), "")
        changed = self.old is None or finish.withdrawn or manifest.text() != self.old.text()
        if not self.beside:
            save(root, manifest)
        elif changed or not copies_there(root):
            # copies first: a run that is killed between the two has no new manifest and makes all of them again
            parts = [p for stage in ("features", "forecast", "valuation") for p in self._parts(stage)]
            write_copies(self.session, manifest, parts)
            save(root, manifest)
        if self.beside and self.session.config.publish.profile != "full":
            from plantation_rwa.run.profiles import publish_profile  # few ask for one: its libraries take their time

            self.report.profile = publish_profile(self.session.config, root, manifest)
        return manifest

    def _features(self) -> None:
        session, stage, work = self.session, "features", self.feature_work
        units = self.imagery.look(session, work)
        todo = [p for p in work.plans if p.todo]
        self.clock.start(stage, len(units))
        imagery, problems = self._imagery(units)
        parts = [part for plan in work.plans for part in plan.reuse]
        by_partition = {(p.table, p.partition): p for p in todo}

        def written(found: tuple[tuple[str, str], pd.DataFrame]) -> Published:
            (table, month), frame = found
            fingerprint, components = features_stage.part_identity(by_partition[(table, f"month={month}")], frame)
            return publish_part(
                self.target,
                frame,
                stage=stage,
                table=table,
                folder=f"month={month}/vintage={max(frame['known_at']).isoformat()}",
                partition=f"month={month}",
                fingerprint=fingerprint,
                components=components,
                problems=sorted(problems.get((table, month), ())),
            )

        parts += on_cores(written, feature_rows(session, work, imagery))
        self.published[stage] = parts
        self._count(stage, len(todo), len(work.plans) - len(todo), f"{len(units)} plantation-months of imagery")

    def _imagery(self, units: Sequence[Unit]) -> tuple[RowsOfDate, dict[tuple[str, str], set[tuple[str, ...]]]]:
        advanced = partial(self.clock.progress.advanced, "features")
        found = self.imagery.compute(self.session, units, self.work, advanced)
        problems: dict[tuple[str, str], set[tuple[str, ...]]] = {}
        every = [unit.at for unit in units]
        told = found.errors.keys() | found.problems.keys()
        for unit in (u for u, at in zip(units, every, strict=True) if at in told):
            error, wrong = found.errors.get(unit.at), found.problems.get(unit.at)
            if error is not None:
                self.report.failures.append(f"features month={unit.month} {'/'.join(unit.key)}: {error}")
                self.lost.add((unit.month, *unit.key))
            elif wrong is not None:
                table = "features" if len(unit.key) == 1 else "features_blocks"
                files = {v.id: v.file for s in unit.scenes for v in s.versions}
                problems.setdefault((table, unit.month), set()).update(
                    (files.get(scene, ""), scene, band, message, unit.key[0]) for scene, band, message in wrong
                )
        return RowsOfDate(found.rows, every), problems

    def _plans_as_read(self) -> list[PartitionPlan]:
        lost = self.lost if "features" in self.stages else None
        return features_stage.plans_as_read(self.feature_work.plans, lost, self._parts("features"))

    def _screening(self) -> None:
        self.screened = screening_components(self.session, self._plans_as_read())
        parts = self._parts("features")
        self.published["screening"] = publish_screening(self.session, self.history, self.target, self.screened, parts)

    def _needed(self, stage: str) -> dict[str, str]:
        needed: dict[str, str] = _stage("forecast").components(self.session, self._plans_as_read())
        if stage == "forecast":
            return needed
        made: dict[str, str] = _stage("valuation").components(self.session, identity(needed), identity(self.screened))
        return made

    def _whole(self, stage: str) -> None:
        session, needed = self.session, self._needed(stage)
        module = _stage(stage)
        plan = plan_whole(
            self.history,
            stage=stage,
            tables=module.TABLES,
            partition=session.tag,
            components=needed,
            force=session.force,
        )
        self.clock.start(stage, 1 if plan.todo else 0)
        if plan.todo:
            fingerprint = identity(needed)
            tables = self._compute(stage)
            self.published[stage] = [
                publish_part(
                    self.target,
                    finalise(frame, table),
                    stage=stage,
                    table=table,
                    folder=session.tag,
                    partition=session.tag,
                    fingerprint=fingerprint,
                    components=needed,
                )
                for table, frame in tables.items()
            ]
        else:
            self.published[stage] = list(plan.reuse)
        self._count(stage, int(bool(plan.todo)), int(not plan.todo), "")

    def _compute(self, stage: str) -> dict[str, Any]:
        features = self._read("features", "features", stage, partition_key="month")
        if stage == "forecast":
            made: dict[str, Any] = _stage(stage).forecast_tables(self.session, features)
            return made
        forecasts = self._read("forecast", "forecasts", stage)
        model = self._read("forecast", "forecast_model", stage)
        land = screening_of(self.published["screening"])
        made = _stage(stage).valuation_tables(self.session, features, forecasts, model, land, self.work)
        return made

    def _read(self, stage: str, table: str, reader: str, *, partition_key: str = "") -> pd.DataFrame:
        return read_table(self.session, self._parts(stage), stage, table, reader, partition_key=partition_key)

    def _parts(self, stage: str) -> list[Published]:
        if stage not in self.published and self.old is not None:
            self.published[stage] = [Published(self.session.root, o) for o in self.old.of(stage)]
        return self.published.get(stage, [])

    def _quarantine(self) -> None:
        session = self.session
        frame = finalise(session.known.quarantine.frame(session.instant), "quarantine")
        self.report.quarantined = counted(frame)
        components = {"rows": short([self.target.simulated, frame.astype("str").to_csv(index=False)])}
        plan = plan_whole(
            self.history,
            stage="quarantine",
            tables=("quarantine",),
            partition=session.tag,
            components=components,
            force=session.force,
        )
        if plan.todo:
            part = publish_part(
                self.target,
                frame,
                stage="quarantine",
                table="quarantine",
                folder=session.tag,
                partition=session.tag,
                fingerprint=identity(components),
                components=components,
            )
            self.published["quarantine"] = [part]
        else:
            self.published["quarantine"] = list(plan.reuse)

    def _manifest(self) -> Manifest:
        session = self.session
        outputs: list[Output] = []
        for stage in ("features", *_BESIDE[:2], "forecast", "valuation", *_BESIDE[2:]):
            outputs += [p.output for p in self._parts(stage) if self._current(stage, p)]
        code = code_version(program_hash())
        manifest = Manifest(
            session.as_of.isoformat(),
            session.config.portfolio.name,
            session.config.simulated,
            code,
            configuration_record(session.config),
            session.snapshots,
            (),
            provenance=provenance(session.config),
        )
        return manifest.with_outputs(outputs)

    def _current(self, stage: str, part: Published) -> bool:
        """Whether a part still belongs to this date's inputs: results of stages that were not run now may be stale."""
        if stage in self.stages or stage in _BESIDE:
            return True
        if stage in ("forecast", "valuation"):
            return part.output.fingerprint == identity(self._needed(stage))
        plans = {(p.table, p.partition): p for p in self.feature_work.plans}
        plan = plans.get((part.output.table, part.output.partition))
        return plan is not None and part.path in {p.path for p in plan.reuse}

    def _count(self, stage: str, computed: int, skipped: int, detail: str) -> None:
        self.report.computed[stage], self.report.skipped[stage] = computed, skipped
        text = f"{computed} computed, {skipped} unchanged" + (f" ({detail})" if computed and detail else "")
        self.clock.end(stage, text)


def _stage(name: str) -> Any:
    """Module of a stage, imported when the stage is run: what it needs takes longer to load than a small portfolio."""
    return importlib.import_module(f"plantation_rwa.run.{name}")


def require_stages(stages: Sequence[str]) -> tuple[str, ...]:
    """Check stage names given by a user."""
    unknown = [s for s in stages if s not in STAGES]
    if unknown:
        raise PlantationError(f"--stage: unknown stage '{unknown[0]}'. Choose from {', '.join(STAGES)}.")
    return tuple(stages) or STAGES
