"""The configuration file: what is accepted, and the exact words of every refusal."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
import yaml

from plantation_rwa.config import Config, fingerprint, json_schema, load_config, with_out
from plantation_rwa.errors import ConfigError

ROOT = Path(__file__).parents[1]
BASE = "portfolio: {register: register.geojson}\nmarket: {}\n"
SEE = "See configs/schema.json for what is allowed."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("register.geojson", "a1.csv", "a2.csv"):
        (tmp_path / name).write_text("")
    return tmp_path


def load(folder: Path, text: str) -> Config:
    (folder / "c.yaml").write_text(text, "utf-8")
    return load_config(folder / "c.yaml")


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Variables for a moment, and only those that were there before afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def refusals(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value).splitlines()


# --- accepted ----------------------------------------------------------------------------------------------------


def test_two_sections_are_enough_and_paths_become_absolute(folder: Path) -> None:
    config = load(folder, BASE)
    assert config.portfolio.plantations == [str(folder / "register.geojson")]
    assert config.publish.out == str(folder / "out")
    assert (config.as_of, config.imagery, config.market.futures) == (None, None, None)
    assert (config.valuation.paths, config.rights.share, config.rights.units) == (2000, 0.2, 1_000_000)


def test_values_of_the_contract_are_read(folder: Path) -> None:
    text = BASE + (
        "version: 1\nas_of: 2026-05-31\nseed: 7\nsimulated: true\n"
        "imagery: {source: https://example.org/stac, start: 2023-06, edge_buffer: 12.5, max_cloud_cover: 80}\n"
        "forecast: {backtest_start: 2021-01}\nrights: {share: 1, base: net_operating}\n"
    )
    config = load(folder, text)
    assert config.as_of == dt.date(2026, 5, 31)
    assert config.imagery is not None
    assert config.imagery.source == ["https://example.org/stac"]
    assert (config.imagery.start, config.imagery.edge_buffer, config.imagery.max_cloud_cover) == ("2023-06", 12.5, 80)
    assert config.imagery.collections == ["sentinel-2-l2a"]
    assert config.forecast.backtest_start == "2021-01"


def test_globs_and_lists_are_expanded_in_order_and_each_file_once(folder: Path) -> None:
    config = load(folder, "portfolio: {register: register.geojson}\nmarket: {prices: [a2.csv, 'a*.csv', ./a1.csv]}\n")
    assert config.market.prices == [str(folder / "a2.csv"), str(folder / "a1.csv")]


def test_an_empty_section_is_an_absent_one(folder: Path) -> None:
    config = load(folder, BASE + "imagery:\nforecast:\ncompliance:\n")
    assert config.imagery is None
    assert config.forecast.min_train_months == 36


def test_variables_of_the_environment_are_expanded(folder: Path) -> None:
    text = "portfolio: {register: '${ROOT_DIR}/register.geojson', name: 'at ${ROOT_DIR}'}\nmarket: {}\n"
    with environment(ROOT_DIR=str(folder)):
        config = load(folder, text)
    assert config.portfolio.plantations == [str(folder / "register.geojson")]
    assert config.portfolio.name == f"at {folder}"


def test_a_configuration_cannot_be_changed(folder: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(folder, BASE).seed = 3  # type: ignore[misc]


def test_remote_outputs_and_sources_are_left_as_they_are(folder: Path) -> None:
    config = load(folder, BASE + "publish: {out: 's3://bucket/out'}\nclimate: {grid: 'https://example.org/x.zarr'}\n")
    assert config.publish.out == "s3://bucket/out"
    assert config.climate is not None
    assert config.climate.grid == ["https://example.org/x.zarr"]


# --- refused -----------------------------------------------------------------------------------------------------


def test_all_problems_are_shown_at_once(folder: Path) -> None:
    text = (
        "portfolio: {regster: x, currency: myr}\nmarkt: {}\nseed: many\n"
        "valuation: {paths: 2}\nclimate: {grid: nix.nc, table: 'a*.parquet'}\n"
    )
    relative = f"Paths are relative to {folder.name}/, the folder of the configuration."
    assert refusals(folder, text) == [
        f"c.yaml: seed: should be a valid integer (got 'many'). {SEE}",
        "c.yaml: portfolio.register: is required and missing. Add it; see configs/sample.yaml.",
        f"c.yaml: portfolio.currency: string should match pattern '^[A-Z]{{3}}$' (got 'myr'). {SEE}",
        "c.yaml: portfolio.regster: unknown key (got 'x'). Did you mean 'register'?",
        "c.yaml: market: is required and missing. Add it; see configs/sample.yaml.",
        f"c.yaml: valuation.paths: should be greater than or equal to 100 (got 2). {SEE}",
        "c.yaml: markt: unknown key (got {}). Did you mean 'market'?",
        f"c.yaml: climate.grid: no such file (got nix.nc). {relative}",
        f"c.yaml: climate.table: no such file (got a*.parquet). {relative}",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("version: 2", f"version: should be 1 (got 2). {SEE}"),
        ("as_of: tomorrow", f"as_of: should be a date, YYYY-MM-DD (got 'tomorrow'). {SEE}"),
        ("simulated: 1", f"simulated: should be a valid boolean (got 1). {SEE}"),
        ("rights: {share: 1.5}", f"rights.share: should be less than or equal to 1 (got 1.5). {SEE}"),
        ("rights: {share: 0}", f"rights.share: should be greater than 0 (got 0). {SEE}"),
        ("rights: {units: 1.5}", f"rights.units: should be a valid integer (got 1.5). {SEE}"),
        ("sensors: {}", "sensors.path: is required and missing. Add it; see configs/sample.yaml."),
        ("sensors: x", f"sensors: should be a section with keys of its own (got 'x'). {SEE}"),
        ("sensors: {path: 5}", f"sensors.path: should be a valid list (got 5). {SEE}"),
        ("valuation: {assumptions: {nix.y: 3}}", None),
        (
            "forecast: {backtest_start: 202101}",
            "forecast.backtest_start: '202101' is not a month; write YYYY-MM, for example 2026-05 (got 202101). " + SEE,
        ),
        (
            "imagery: {source: 'http://x', edge_buffer: -3}",
            f"imagery.edge_buffer: should be 'auto' or should be greater than or equal to 0 (got -3). {SEE}",
        ),
        (
            "imagery: {source: 'http://x', provider: cdsee}",
            "imagery.provider: should be 'auto', 'earth-search', 'planetary-computer' or 'cdse' (got 'cdsee'). " + SEE,
        ),
        (
            "imagery: {source: 'http://x', provder: cdse}",
            "imagery.provder: unknown key (got 'cdse'). Did you mean 'provider'?",
        ),
        ("compute: {zzz: 1}", "compute.zzz: unknown key (got 1). Known keys here: memory_limit, workers."),
        (
            "publish: {profile: secret}",
            f"publish.profile: should be 'full', 'investor' or 'public' (got 'secret'). {SEE}",
        ),
    ],
)
def test_refusals_name_key_value_and_remedy(folder: Path, line: str, said: str | None) -> None:
    expected = said or (
        "valuation.assumptions.nix.y: unknown assumption (got 3). See plantation_rwa/data/assumptions/ for the keys."
    )
    assert refusals(folder, BASE + line + "\n") == [f"c.yaml: {expected}"]


def test_a_variable_that_is_not_set_is_named_once(folder: Path) -> None:
    assert refusals(folder, BASE + "climate: {grid: '${NOT_SET_HERE}/x.nc'}\n") == [
        "c.yaml: climate.grid: environment variable NOT_SET_HERE is not set (got ${NOT_SET_HERE}/x.nc). "
        "Set NOT_SET_HERE, or write the value."
    ]


def test_a_key_written_twice_is_refused(folder: Path) -> None:
    text = BASE + "valuation: {paths: 500}\nrights: {share: 0.1, share: 0.2}\nvaluation: {paths: 600}\n"
    assert refusals(folder, text) == [
        "c.yaml: line 5: key 'valuation' is written twice. Keep one of them.",
        "c.yaml: line 4: key 'share' is written twice. Keep one of them.",
    ]


def test_anchors_may_be_merged(folder: Path) -> None:
    text = "portfolio: {register: register.geojson}\nmarket: {}\n"
    text += "harvest: &h {path: register.geojson, known_lag_days: 3}\n"
    merged = load(folder, text + "reports: {<<: *h, known_lag_days: 5}\n").reports
    assert (merged.known_lag_days, merged.path) == (5, [str((folder / "register.geojson").resolve())])


def test_files_that_are_no_configuration(folder: Path) -> None:
    assert refusals(folder, "[1, 2]") == ["c.yaml: must be a mapping of sections (got list). See configs/sample.yaml."]
    assert refusals(folder, "") == ["c.yaml: must be a mapping of sections (got NoneType). See configs/sample.yaml."]
    (said,) = refusals(folder, "a: [1\nb: 2")
    assert said.startswith("c.yaml: is not valid YAML (got while parsing a flow sequence at line 1")
    assert said.endswith(". Mend the line named.")
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read .*No such file.*Give the path of a YAML file"):
        load_config(folder / "none.yaml")
    (folder / "latin.yaml").write_bytes(b"portfolio: {name: K\xf6ln}")
    with pytest.raises(ConfigError, match=r"latin\.yaml: cannot be read .*utf-8"):
        load_config(folder / "latin.yaml")
    (folder / "list.yaml").write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_config(folder / "list.yaml")


def test_a_file_that_is_not_there_is_looked_for_among_its_neighbours(folder: Path) -> None:
    (folder / "sample.yaml").write_text(BASE)
    with pytest.raises(
        ConfigError, match=r"sampel\.yaml: cannot be read \(got No such file or directory\)\. Did you mean"
    ):
        load_config(folder / "sampel.yaml")
    with pytest.raises(ConfigError, match=r"YAML file\. It was looked for in /"):
        load_config(folder / "away" / "sampel.yaml")


def test_long_values_are_cut_in_messages(folder: Path) -> None:
    (said,) = refusals(folder, BASE + f"seed: {'x' * 500}\n")
    assert len(said) < 200
    assert "xxx... " not in said
    assert "xxx...)" in said


# --- fingerprint, schema, examples -------------------------------------------------------------------------------


def test_fingerprints_tell_values_apart_and_ignore_key_order(folder: Path) -> None:
    assert fingerprint({"a": 1, "b": [dt.date(2026, 5, 31)]}) == fingerprint({"b": [dt.date(2026, 5, 31)], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    # sha256 of the text {"a":1}
    assert fingerprint({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert fingerprint(load(folder, BASE)) == fingerprint(load(folder, BASE + "seed: 0\n"))
    assert fingerprint(load(folder, BASE)) != fingerprint(load(folder, BASE + "seed: 1\n"))


def schema_errors(text: str) -> list[str]:
    document = yaml.safe_load(text)
    if isinstance(document.get("as_of"), dt.date):
        document["as_of"] = document["as_of"].isoformat()
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize("name", ["sample", "earth-search", "planetary-computer", "cdse"])
def test_the_examples_fit_the_schema_that_editors_use(name: str) -> None:
    assert schema_errors((ROOT / "configs" / f"{name}.yaml").read_text("utf-8")) == []


def test_the_schema_refuses_what_the_program_refuses() -> None:
    assert schema_errors(BASE) == []
    assert schema_errors(BASE + "climate: {grid: [a.nc, b.nc]}") == []
    for wrong in ("markt: {}", "climate: {grid: 5}", "climate: {grid: []}", "rights: {share: 2}", "version: 2"):
        assert schema_errors(BASE + wrong), wrong


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("earth-search", "https://earth-search.aws.element84.com/v1"),
        ("planetary-computer", "https://planetarycomputer.microsoft.com/api/stac/v1"),
        ("cdse", "https://stac.dataspace.copernicus.eu/v1"),
    ],
)
def test_the_live_examples_load_with_a_portfolio_folder(name: str, url: str, tmp_path: Path) -> None:
    (tmp_path / "climate").mkdir()
    for file in ("register.geojson", "futures.csv", "prices.csv", "fx.csv", "rates.csv", "harvest.csv", "climate/a.nc"):
        (tmp_path / file).write_text("")
    with environment(PORTFOLIO=str(tmp_path)):
        config = load_config(ROOT / "configs" / f"{name}.yaml")
    assert config.imagery is not None
    assert (config.imagery.source, config.imagery.provider) == ([url], name)
    assert config.publish.out == str(tmp_path / "out")
    # nothing of the portfolio is taken from the checkout
    with pytest.raises(ConfigError, match="environment variable PORTFOLIO is not set"):
        load_config(ROOT / "configs" / f"{name}.yaml")


@pytest.mark.parametrize(("out", "told"), [("", "is empty"), ("  ", "is empty"), ("s3://", "names no bucket")])
def test_an_output_folder_that_is_none_is_refused(out: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"--out: {told}"):
        with_out(load_config(ROOT / "configs" / "sample.yaml"), out)
