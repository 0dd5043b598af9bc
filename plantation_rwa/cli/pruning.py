"""The command ``prune``."""

from __future__ import annotations

from collections import Counter

from plantation_rwa.cli.console import result, say, table
from plantation_rwa.errors import ConfigError, Problem
from plantation_rwa.publish.leases import held_by
from plantation_rwa.publish.pruning import is_output, waste, without_manifest
from plantation_rwa.publish.pruning import prune as delete_waste
from plantation_rwa.run.partial import FOLDER, abandoned_work, remove_abandoned
from plantation_rwa.run.session import ready


def prune(out: str, *, delete: bool) -> int:
    """Tell what no published date needs, and delete it if asked; see ``plantation-rwa prune --help``."""
    root = ready(out)
    roots = [place for place in (root, root / FOLDER) if is_output(place)]
    if not roots and not abandoned_work(root):
        remedy = "Give the folder that holds manifests/, or the parts of a run that was killed."
        raise ConfigError([Problem("prune", "is no output folder", out, remedy)])
    lost = {as_of: what for place in roots for as_of, what in without_manifest(place).items()}
    work = remove_abandoned(root) if delete else abandoned_work(root)
    found = [one for place in roots for one in (delete_waste(place) if delete else waste(place))]
    rows = [[one.kind, one.path.relative_to(root).as_posix(), f"{one.bytes:,}"] for one in found]
    rows += [["work of a killed run", folder.relative_to(root).as_posix(), ""] for folder in work]
    result(
        deleted=delete,
        bytes=sum(one.bytes for one in found),
        files=[{"kind": o.kind, "path": o.path.relative_to(root).as_posix(), "bytes": o.bytes} for o in found],
        work_folders=[folder.relative_to(root).as_posix() for folder in work],
        without_manifest=list(lost),
    )
    if rows:
        table("", ["what", "where", "bytes"], rows, right=["bytes"])
    counts = Counter(row[0] for row in rows)
    said = ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in sorted(counts.items())) or "nothing"
    size = sum(one.bytes for one in found) / 1e6
    say(f"{'deleted' if delete else 'would delete'}: {said}" + (f", {size:.1f} MB" if found else ""))
    for as_of, what in lost.items():
        remedy = "Put the manifest back, or run that date again"
        there = " and ".join(", ".join(what).rsplit(", ", 1))
        say(f"{as_of} has {there} but no manifest: what may belong to it stays. {remedy}.")
    for text in held_by(root):
        say(f"{text}: what it has written is listed too, and stays")
    if rows and not delete:
        say("nothing was deleted; run again with --delete")
    return 0
