"""The last stages of a date, attestation and page: files with one name for all runs of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from plantation_rwa.errors import StageError
from plantation_rwa.publish.files import OutputFile
from plantation_rwa.publish.manifest import Manifest, Output, damaged, load
from plantation_rwa.run.partitions import History, Published, plan_whole
from plantation_rwa.run.progress import StageClock
from plantation_rwa.run.publishing import read_all, withdraw
from plantation_rwa.run.session import Session, identity


@dataclass(frozen=True)
class Done:
    """Files of a stage, and whether they were made now."""

    published: list[Published]
    computed: bool


class Finish:
    """Makes what rests on the published tables of a date; to be used while no other run is within its turn.

    ``withdrawn`` says whether the manifest that was there no longer names what is being replaced.
    """

    def __init__(self, session: Session, history: History, parts: Callable[[str], list[Published]]) -> None:
        self._session, self._history, self._parts = session, history, parts
        self.withdrawn = False

    def stage(self, stage: str, manifest: Manifest, *, wanted: bool, clock: StageClock) -> tuple[Manifest, Done]:
        """The manifest with the files of a stage; if it is not wanted, with those that still belong to the date."""
        session = self._session
        there = self._history.manifest(session.as_of.isoformat())
        if not wanted and not (there and there[1].of(stage)):
            return self._with(manifest, Done([], False))  # nothing to keep: what the stage needs is not loaded
        module = importlib.import_module(f"plantation_rwa.run.{stage}")
        needed: dict[str, str] = module.components(session, manifest)
        plan = plan_whole(
            self._history,
            stage=stage,
            tables=module.TABLES,
            partition=session.tag,
            components=needed,
            force=session.force and wanted,
        )
        # another run may have written files of these names meanwhile
        todo = bool(plan.todo or damaged(session.root, [p.output for p in plan.reuse]))
        if not wanted:
            return self._with(manifest, Done([] if todo else list(plan.reuse), False))
        clock.start(stage, 1 if todo else 0)
        if not todo:
            return self._with(manifest, Done(list(plan.reuse), False))

        def read(owner: str, table: str, partition_key: str = "") -> pd.DataFrame:
            return read_table(session, self._parts(owner), owner, table, stage, partition_key=partition_key)

        if not self.withdrawn and (old := load(session.root, manifest.as_of)) is not None:
            withdraw(session.root, old)
            self.withdrawn = True
        outputs: Sequence[Output] = module.write(session, manifest, read, identity(needed), needed)
        return self._with(manifest, Done([Published(session.root, o) for o in outputs], True))

    @staticmethod
    def _with(manifest: Manifest, done: Done) -> tuple[Manifest, Done]:
        return manifest.with_outputs([*manifest.outputs, *(p.output for p in done.published)]), done


def read_table(
    session: Session, parts: Sequence[Published], stage: str, table: str, reader: str, *, partition_key: str = ""
) -> pd.DataFrame:
    """Rows of a table of an earlier stage.

    Raises
    ------
    StageError
        If the stage has not been published for the date.
    """
    own = [p for p in parts if p.output.table == table]
    if not own:
        raise StageError(
            f"stage '{reader}' needs '{table}' of {session.tag}, not published in {session.root.name}/. "
            f"Run the stage '{stage}' first, or leave --stage out."
        )
    return read_all(own, partition_key=partition_key)


#: Reads a table of an earlier stage: stage, table, partition key
Read = Callable[..., pd.DataFrame]


def outputs_of(
    session: Session,
    stage: str,
    files: Mapping[str, tuple[str, OutputFile]],
    fingerprint: str,
    needed: Mapping[str, str],
) -> list[Output]:
    """Entries of the manifest for written files.

    Parameters
    ----------
    files
        Path below the output folder -> table, and what was written there.
    """
    return [
        Output(stage, table, session.tag, relative, f.sha256, f.bytes, f.rows, fingerprint, dict(needed))
        for relative, (table, f) in files.items()
    ]
