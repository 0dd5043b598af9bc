"""``README.md`` of an output folder: for a person who gets the folder and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from plantation_rwa.publish.manifest import Manifest
from plantation_rwa.schema.tables import TABLES

#: question, tables it needs, where the answer stands
_QUESTIONS = (
    ("What is each right worth, and how sure is that?", "valuations", "`npv_fair`, `npv_q10` to `npv_q90`, `currency`"),
    ("How much fruit is expected, month by month?", "forecasts", "`ffb_mean_t`, `yield_q05_t_ha` to `yield_q95_t_ha`"),
    ("What is paid when?", "cash_flows", "`cash_month`, `mean`, `q10`, `q90`"),
    ("Why has a value moved since the date before?", "valuations", "`bridge_*`, which add up to the difference"),
    ("What would hurt, and how much?", "valuations", "`stress_*`, `elasticity_*`, `var95`, `es975`"),
    ("How good is the evidence?", "valuations", "`confidence_grade`, `quality_flag`, `data_age_days_max`"),
    ("What did the satellite and the weather show?", "features", "`ndvi`, `ndmi`, `valid_fraction`, `deficit_irho_mm`"),
    ("What of the land was looked at, and what not?", "screening", "`state`, `finding`, `not_checked`"),
    ("Which input records were set aside, and why?", "quarantine", "`file`, `row`, `value`, `reason`"),
)


def readme(dated: Sequence[Manifest]) -> str:
    """The page: what this is, where to begin, which file answers which question, how to check it.

    Parameters
    ----------
    dated
        Manifests of the folder's dates, the newest last; only what that date has published is named.
    """
    newest = dated[-1]
    there = sorted({o.table for o in newest.outputs} & set(TABLES))
    paths = [o.path for o in newest.outputs]
    reports = any(p.startswith("reports/") for p in paths)
    attested = any(p.endswith("nav_attestation.json") for p in paths)
    dates = f"{len(dated)} valuation date{'s' * (len(dated) > 1)}, the newest {newest.as_of}"
    lines = [f"# {newest.portfolio}", ""]
    if newest.simulated:
        lines += ["**SIMULATED DATA: no plantation, harvest or value here is real.**", ""]
    lines += [
        "A **right** is a share of what an oil-palm plantation's fruit (fresh fruit bunches, FFB) will earn over some",
        "years.",
        f"This folder holds forecasts of the fruit and values of such rights: {dates}, as known on that day.",
        f"Made by plantation-rwa {newest.code['version']}.",
        "",
        "## Begin here",
        "",
    ]
    if reports:
        folder = f"reports/as_of={newest.as_of}"
        lines.append(f"- `{folder}/index.html`: the whole portfolio, in any browser, without a network.")
        if any(p.startswith(f"{folder}/memos/") for p in paths):
            lines.append(f"- `{folder}/memos/`: one printable page per right.")
    lines += [
        "- `latest/`: tables of the newest date for QGIS, DuckDB, pandas and the like. In Python:",
        "",
        "      import pandas as pd",
        '      values = pd.read_parquet("latest/valuations.parquet")',
        '      print(values[["plantation_id", "right_id", "currency", "npv_q10", "npv_fair", "npv_q90"]])',
        "",
        "- `catalog/data-dictionary.md`: type, unit and meaning of every column.",
        "",
        "| question | table | columns |",
        "| --- | --- | --- |",
        *(f"| {question} | `{table}` | {columns} |" for question, table, columns in _QUESTIONS if table in there),
        "",
        "## How to read the numbers",
        "",
        "- Every value is a model's estimate. 80 of 100 outcomes should lie between `_q10` and `_q90`, 90 between"
        " `_q05` and `_q95`.",
        "- Null is not zero: there is no number, and `quality_flag` says why; its codes end the dictionary.",
        "- Money is in the major unit of `currency`, columns that end in `_int` in the smallest unit. Never add two"
        " currencies.",
        "- `confidence_grade`: A much evidence, D little. `fv_level` 3 (IFRS 13): rests on prices that no market"
        " quotes.",
        "- This is no advice to buy or lend, and screening of land is no verdict on any law. What is known to be weak"
        " stands with its figures on the page *Limits* among the program's documents.",
        "",
        "## What else lies here",
        "",
        "Folders beside `latest/` hold every date (`as_of=`). A reader of a whole folder must choose one `as_of`, and"
        " of `features/` one `vintage` per month, or months repeat.",
        "",
        "| table | what it holds |",
        "| --- | --- |",
        *(f"| `{name}` | {TABLES[name].description} |" for name in there),
        "",
        "`catalog/collection.json` is a static STAC collection of these tables.",
        "",
        "## Is it whole, and who vouches for it?",
        "",
        f"- `manifests/as_of={newest.as_of}.json` names the inputs, the code, the configuration and every file of the"
        " date with its SHA-256. A file that it does not name does not belong to the date.",
    ]
    if attested:
        lines += [
            f"- `attestations/as_of={newest.as_of}/`: each right's record, the Merkle tree over them (OpenZeppelin's"
            " `standard-v1`) and the attestation of its root (EIP-712), with its signatures, if any.",
        ]
    lines.append(
        f"- With the program: `plantation-rwa verify .` checks all of it; `--at {newest.as_of}` as of that day, since"
        " an attestation expires."
        if attested
        else "- With the program: `plantation-rwa verify .` checks all of it."
    )
    return "\n".join(lines) + "\n"
