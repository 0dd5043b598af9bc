"""What the documents say: their commands run, their snippets give results, their tables are those of the code."""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from plantation_rwa.assumptions import packaged
from plantation_rwa.cli import app, run_command
from plantation_rwa.config import Config
from plantation_rwa.features.indices import INDICES
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.schema.flags import FLAGS
from plantation_rwa.sources import climate, compliance, futures, fx, harvest, market, register, rights, sensors
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.climate_units import VARIABLES
from plantation_rwa.testing import edit_config
from tests.conftest import run_world
from tests.features.compiled_values import index_values

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
INPUTS = (ROOT / "docs" / "inputs.md").read_text("utf-8")
METHOD = (ROOT / "docs" / "method.md").read_text("utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data/sample/README.md", *ROOT.glob("docs/*.md")])


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Arguments of every ``plantation-rwa`` line shown as a command, comments off."""
    lines = re.findall(r"^ {4}plantation-rwa (.+)$", text, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, title
    return found[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    linked = [m for m in re.findall(r"\]\(([^)#]+)", text) if "://" not in m]
    assert [m for m in linked if not (page.parent / m).exists()] == []
    folders = "plantation_rwa|pipelines|configs|tests|docs|data"
    named = re.findall(rf"`((?:{folders})/[\w./-]+)`", text)
    assert [m for m in named if not (ROOT / m).exists()] == []
    if page.name in {"README.md", "method.md", "add-a-source.md"} and page.parent != ROOT / "data/sample":
        assert named + linked


def test_make_targets_that_the_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    named = {m for p in PAGES for m in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", p.read_text("utf-8"), re.MULTILINE)}
    assert {"demo", "test"} <= named
    assert named <= targets


def test_every_command_of_the_readme_is_understood() -> None:
    shown = commands(README)
    assert {c[0] for c in shown} >= {"check", "plan", "run", "simulate", "doctor"}
    for arguments in shown:
        app.parse_args(arguments, exit_on_error=False, print_error=False)
    with pytest.raises(Exception, match="Unknown option"):
        app.parse_args(["run", "my.yaml", "--as-off", "2026-05-31"], exit_on_error=False, print_error=False)


@pytest.fixture
def mine(world_copy: Path) -> Iterator[Path]:
    """A user's folder with my.yaml in it, small enough to be valued in seconds."""
    changes = {"imagery": None, "climate": None, "sensors": None, "harvest": None, "valuation.paths": 100}
    edit_config(world_copy / "config.yaml", changes)
    (world_copy / "config.yaml").rename(world_copy / "my.yaml")
    with contextlib.chdir(world_copy):
        yield world_copy


def tried(arguments: list[str]) -> int:
    """Run a command of the README; ids and seeds are those of the small world."""
    ids = {"KAL-01": "SIM-001", "KAL-02": "SIM-002", "/tmp/world": "made"}
    return run_command([ids.get(a, a) for a in arguments])


def test_commands_of_the_readme_that_look_and_run(mine: Path) -> None:
    """All but the slower ones below, in the order shown."""
    shown = [c for c in commands(README) if c[0] in {"check", "plan", "doctor"} or c[-2] == "--as-of"]
    assert [c[0] for c in shown] == ["check", "plan", "run", "doctor"]
    assert [tried(c) for c in shown] == [0, 0, 0, 0]
    assert (mine / "plan.geojson").exists()
    assert (mine / "out" / "manifests" / "as_of=2026-05-31.json").exists()


@pytest.mark.slow
def test_the_other_commands_of_the_readme(mine: Path) -> None:
    shown = [c for c in commands(README) if "--runner" in c or "--only" in c or c[0] == "simulate"]
    assert len(shown) == 3
    assert [tried(c) for c in shown] == [0, 0, 0]
    assert (mine / "out" / "partial" / "valuations").is_dir()
    assert (mine / "made" / "truth").is_dir()


@pytest.fixture
def demo(small_run: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder in which a run stands where the README's snippets look for it."""
    shutil.copytree(small_run, tmp_path / "out" / "sample")
    with contextlib.chdir(tmp_path):
        yield tmp_path


def test_the_sql_of_the_readme_gives_rows(demo: Path) -> None:
    import duckdb

    queries = blocks(README, "sql")
    assert len(queries) >= 1
    for query in queries:
        assert "out/sample/" in query
        rows = duckdb.sql(query).fetchall()
        assert len(rows) == 3
        assert [r[1] for r in rows] == sorted((r[1] for r in rows), reverse=True)


def test_the_python_of_the_readme_gives_numbers(demo: Path) -> None:
    """Snippets that read results are run on a small world; on the sample their answers are compared elsewhere."""
    (snippet,) = (b for b in blocks(README, "python") if "out/sample" in b)
    names: dict[str, Any] = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert sorted(names["year"].index) == ["SIM-001", "SIM-002", "SIM-003", "SIM-004"]
    assert (names["year"] > 0).all()


def test_the_flow_of_the_readme_takes_these_arguments() -> None:
    call = next(b for b in blocks(README, "python") if "value_portfolio" in b)
    keywords = {k.arg for n in ast.walk(ast.parse(call)) if isinstance(n, ast.Call) for k in n.keywords}
    module = ast.parse((ROOT / "pipelines" / "valuation.py").read_text("utf-8"))
    flow = next(n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == "value_portfolio")
    assert keywords
    assert keywords <= {a.arg for a in (*flow.args.args, *flow.args.kwonlyargs)}


def test_the_readme_names_the_folders_and_columns_that_a_run_writes(small_run: Path) -> None:
    table = README.split("## What comes out")[1].split("\n\n`plantation-rwa describe")[0]
    folders = {re.split(r"[/.]", m)[0] for m in re.findall(r"^\| (.+?) \|", table, flags=re.MULTILINE)[2:]}
    named = {f.strip("`") for f in folders}
    assert named >= {"features", "forecasts", "valuations", "latest"}
    assert {n for n in named if not (small_run / n).is_dir()} == set()
    columns = [c for c in re.findall(r"`(\w+)`", table) if c not in {p.name for p in small_run.iterdir()}]
    known = {*FIELDS, *(f for f in ("file", "row", "column", "value", "reason", "action"))}
    assert [c for c in columns if c not in known] == []


# inputs.md -----------------------------------------------------------------------------------------------------------

TABLES: Mapping[str, list[Mapping[str, ColumnSpec]]] = {
    "Register": [register.register_columns(packaged())],
    "Blocks": [register.BLOCK_COLUMNS],
    "Rights": [rights.RIGHTS_COLUMNS, *rights.PARTY_COLUMNS.values()],
    "Harvest": [harvest.HARVEST_COLUMNS],
    "Climate": [climate._DAILY, climate._INDEX],
    "Sensors": [sensors._SPECS],
    "Land evidence": [
        compliance.WHISP_COLUMNS,
        compliance.DOCUMENT_COLUMNS,
        compliance.TENURE_COLUMNS,
        compliance.SANCTION_COLUMNS,
        compliance.COUNTRY_COLUMNS,
    ],
    "Market": [
        futures.FUTURES_COLUMNS,
        market.PRICES_COLUMNS,
        fx.FX_COLUMNS,
        market.RATES_COLUMNS,
        market.FISCAL_COLUMNS,
    ],
}


@pytest.mark.parametrize("title", TABLES)
def test_inputs_name_every_column_and_mark_the_required_ones(title: str) -> None:
    text = section(INPUTS, title)
    for columns in TABLES[title]:
        for name, spec in columns.items():
            marked = re.search(rf"`{name}` (?:\| )?\*|`{name}` \*", text) is not None
            assert f"`{name}`" in text, name
            if spec.required or name not in {n for c in TABLES[title] for n, s in c.items() if s.required}:
                assert marked == spec.required, name


def test_inputs_name_every_climate_variable_and_sensor() -> None:
    text = section(INPUTS, "Climate") + section(INPUTS, "Sensors")
    for name in (*VARIABLES, *sensors.UNITS):
        assert f"`{name}`" in text, name
    for name, (low, high) in packaged().table("sensor_features.ranges").items():
        row = next(line for line in INPUTS.splitlines() if line.startswith("|") and f"`{name}`" in line)
        assert f"{low:g} to {high:.2f}" in row or f"{low:g} to {high:g}" in row, row


def test_inputs_name_keys_and_defaults_of_the_configuration() -> None:
    sections = "portfolio|harvest|climate|sensors|imagery|market|compliance"
    keys = set(re.findall(rf"`((?:{sections})\.[a-z_]+)`", INPUTS))
    assert len(keys) > 20
    fields = Config.model_fields
    for key in sorted(keys):
        part, name = key.split(".")
        model = next(
            t
            for t in (fields[part].annotation, *getattr(fields[part].annotation, "__args__", ()))
            if hasattr(t, "model_fields")
        )
        names = {f.alias or n: f for n, f in model.model_fields.items()}
        assert name in names, key
        given = re.search(rf"`{re.escape(key)}` \((\d+)\)", INPUTS)
        if given:
            assert int(given[1]) == names[name].default, key
    lags = {"harvest.known_lag_days": 10, "climate.known_lag_days": 25}
    for key, days in lags.items():
        assert f"`{key}` ({days})" in INPUTS


def test_flags_that_the_pages_name_exist() -> None:
    words = set(re.findall(r"`([a-z]+_[a-z_]+)`", INPUTS + METHOD))
    claimed = set(re.findall(r"flag(?:ged|s)? (?:on [a-z ]+ )?`([a-z_]+)`", INPUTS + METHOD))
    claimed |= words & {"curve_missing", "fx_missing", "rates_missing", "price_default", "fiscal_missing", "over_age"}
    assert len(claimed) >= 9
    assert claimed - set(FLAGS) == set()


def test_an_empty_market_gives_what_the_page_says(mine: Path) -> None:
    import pyarrow.parquet as pq

    edit_config(mine / "my.yaml", {"market": {}})
    run_world(mine / "my.yaml", mine / "out")
    rows = pq.ParquetFile(mine / "out" / "latest" / "valuations.parquet").read().to_pylist()
    assert {r["npv_fair"] for r in rows} == {None}
    assert {r["confidence_grade"] for r in rows} == {"D"}
    assert all("no_price" in r["quality_flag"].split(";") for r in rows)


# method.md -----------------------------------------------------------------------------------------------------------


def test_the_index_formulas_of_the_method_are_those_in_use() -> None:
    rows = re.findall(r"^ *\| `(\w+)` \| (.+?) \| ", METHOD, flags=re.MULTILINE)
    assert [name for name, _ in rows] == list(INDICES)
    rng = np.random.default_rng(4)
    dark, bright = ("B02", "B04", "B05"), ("B07", "B08", "B8A", "B11", "B12")
    bands = {b: rng.uniform(0.02, 0.12, 50) for b in dark} | {b: rng.uniform(0.15, 0.45, 50) for b in bright}
    ndvi = (bands["B08"] - bands["B04"]) / (bands["B08"] + bands["B04"])
    for name, formula in rows:
        python = re.sub(r"(\d|\d\.\d) (?=[(B])", r"\1 * ", formula.replace("^", "**").replace(" x ", " * "))
        value = eval(python, {"tanh": np.tanh, "NDVI": ndvi, **bands})
        np.testing.assert_allclose(
            np.clip(value, INDICES[name].lower, INDICES[name].upper), index_values(name, bands), rtol=1e-5, atol=1e-6
        )


def test_numbers_that_the_method_quotes_are_the_assumptions() -> None:
    number = packaged().number
    quoted = {
        "150 mm": f"{number('water_balance.etp_dry_month_mm'):g} mm",
        "else 120 mm": f"else {number('water_balance.etp_wet_month_mm'):g} mm",
        "3.09": f"{number('drought.spi_limit'):g}",
        "n/(n + 3)": f"n/(n + {number('season.shrinkage_years'):g})",
        "0.10 +- 0.05": f"{number('deficit.beta'):.2f} +- {number('deficit.beta_sd'):.2f}",
        "0.8 a year": f"{number('plantation_effect.persistence_year'):g} a year",
        "n/(n + 20)": f"n/(n + {number('interval.shrinkage_errors'):g})",
        "n/(n + 10)": f"n/(n + {number('dependence.shrinkage_years'):g})",
        "500 lots": f"{number('curve.min_open_interest'):g} lots",
        "2.0 and 1.5 %": f"{100 * number('discount.spread_production'):.1f} and "
        f"{100 * number('discount.spread_liquidity'):.1f} %",
    }
    flat = " ".join(METHOD.split())
    for told, value in quoted.items():
        assert told == value
        assert told in flat, told


def test_commands_and_deployments_of_the_operations_page_are_understood() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    shown = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("plantation-rwa ")]
    assert {c[0] for c in shown} == {"check", "doctor", "run", "backfill", "verify", "simulate", "prune"}
    for arguments in shown:
        app.parse_args(arguments, exit_on_error=False, print_error=False)
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    flows = {"valuation.py:value_portfolio": "value-portfolio", "backfill.py:backfill_portfolio": "backfill-portfolio"}
    names = {f"{flows[d['entrypoint'].removeprefix('pipelines/')]}/{d['name']}" for d in deployed}
    assert set(re.findall(r"`([a-z]+-portfolio/[a-z]+)`", text)) == names
    assert {line.split()[3] for line in lines if line.startswith("prefect deployment run")} <= names


def test_every_source_of_the_method_says_where_it_was_checked() -> None:
    """Nothing is quoted from memory: a place is named, or it says in so many words that there is none."""
    page = (ROOT / "docs" / "method.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.partition("\n## Sources\n")[2].splitlines() if "|" in line]
    head, _, *sources = rows
    assert head == ["formula", "source", "checked in"]
    assert len(sources) > 40
    assert [row for row in sources if len(row) != 3 or not row[2].strip()] == []
