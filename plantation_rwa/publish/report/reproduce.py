"""The commands that make, rebuild and check exactly this date."""

from __future__ import annotations

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.markup import esc


def reproduce(data: SummaryData) -> str:
    """Commands with this date, and the hashes they must meet."""
    meta = data.meta
    as_of = esc(meta["as_of"])
    commands = "\n".join(
        (
            f"plantation-rwa run CONFIG --as-of {as_of} --out OUT",
            f"plantation-rwa report OUT --as-of {as_of}",
            f"plantation-rwa verify OUT --replay CONFIG --at {as_of}",
        )
    )
    facts = [
        ("configuration", meta.get("configuration_sha256")),
        ("code", meta.get("code_sha256")),
        ("version", meta.get("code_version")),
        ("seed", meta.get("seed")),
        ("paths", meta.get("paths")),
    ]
    listed = "".join(
        f'<dt>{esc(name)}</dt><dd class="mono">{esc(value)}</dd>' for name, value in facts if value is not None
    )
    return (
        '<h2 id="reproduce">How to get the same numbers</h2><p class="note">CONFIG is the configuration whose hash '
        "stands below, OUT the folder that this page lies in. The first line values the date again, the second makes "
        "this page from the published files alone, the third recomputes every stage and compares every hash, as of "
        "that day, since attestations expire. What is known to be weak stands with its figures in the program's "
        "docs/limits.md.</p>"
        f'<pre tabindex="0" role="region" aria-label="Commands"><code>{commands}</code></pre>'
        f'<dl class="facts">{listed}</dl>'
    )
