"""The configuration file: strict models, every problem at once, each with key, value and remedy."""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ValidationError
from pydantic import Field as F

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.config_attest import AttestConfig, PublishConfig, SignerConfig
from plantation_rwa.config_compliance import ComplianceConfig
from plantation_rwa.config_problems import ENV, expand_env, label, load_yaml, unreadable, validation_problems
from plantation_rwa.config_types import MonthText, Paths, Section, Texts, as_list
from plantation_rwa.errors import ConfigError, Problem


class PortfolioConfig(Section):
    """Who is valued."""

    name: str = F(default="portfolio", description="Name shown in reports and manifests.")
    plantations: Paths = F(
        alias="register", description="Register of plantations: GeoParquet, GeoPackage, GeoJSON or Shapefile."
    )
    blocks: Paths | None = F(default=None, description="Blocks of the plantations, same formats.")
    rights: Paths | None = F(default=None, description="Terms per plantation; overrides the section 'rights'.")
    sponsors: Paths | None = F(default=None, description="Sponsors with default intensity.")
    mills: Paths | None = F(default=None, description="Mills with default intensity.")
    currency: str = F(default="MYR", pattern=r"^[A-Z]{3}$", description="Reporting currency, ISO 4217.")


class ImageryConfig(Section):
    """Satellite scenes."""

    source: Paths = F(description="STAC API URL, static catalog, item collection or stac-geoparquet file.")
    provider: Literal["auto", "earth-search", "planetary-computer", "cdse"] = F(
        default="auto", description="Naming and offset rule."
    )
    collections: Texts = F(default=["sentinel-2-l2a"], description="STAC collections to use.")
    start: MonthText | None = F(default=None, description="First month of scenes, YYYY-MM.")
    known_lag_days: int = F(default=3, ge=0, description="Days from acquisition until a scene counts as known.")
    known_at: Literal["acquired", "created"] = F(default="acquired", description="Instant to which the lag is added.")
    scl_profile: Literal["strict", "lenient"] = F(default="strict", description="Scene classes that count as clear.")
    edge_buffer: Literal["auto"] | Annotated[float, F(ge=0)] = F(
        default="auto", description="Inward buffer in metres, or auto."
    )
    max_cloud_cover: float = F(
        default=90, ge=0, le=100, description="Scenes cloudier than this percentage are not read."
    )


class ClimateConfig(Section):
    """Weather and ocean index."""

    grid: Paths | None = F(default=None, description="Daily gridded climate, NetCDF or Zarr.")
    table: Paths | None = F(default=None, description="Daily climate per plantation, CSV or Parquet.")
    index: Paths | None = F(default=None, description="Oceanic Nino index: CPC text layout or a table.")
    known_lag_days: int = F(
        default=25, ge=0, description="Days after the end of a month until its climate counts as known."
    )
    preliminary_lag_days: int = F(
        default=2, ge=0, description="Days after the end of a pentad until preliminary grids count as known."
    )
    accumulation: Literal["auto", "era5-land", "era5"] = F(
        default="auto", description="How totals of hourly grids accumulate: since 00 UTC, or over the hour."
    )
    units: dict[str, str] = F(default={}, description="Units of the table's columns that are not the contract's.")
    monthly: Paths | None = F(default=None, description="Monthly gridded climate, NASA POWER regional CSV.")
    monthly_known_lag_days: int = F(
        default=60, ge=0, description="Days after the end of a month until its monthly grid counts as known."
    )
    seasonal: Paths | None = F(default=None, description="Seasonal forecasts, C3S monthly statistics in NetCDF.")


class SensorsConfig(Section):
    """Field sensors."""

    path: Paths = F(description="Long table of readings, CSV or Parquet.")


class HarvestConfig(Section):
    """Harvest records."""

    path: Paths = F(description="Monthly harvest, CSV or Parquet.")
    known_lag_days: int = F(
        default=10, ge=0, description="Days after the end of a month until its harvest counts as known."
    )


class MarketConfig(Section):
    """Prices, currencies, rates, taxes."""

    futures: Paths | None = F(default=None, description="Daily settlements per contract.")
    prices: Paths | None = F(default=None, description="Physical price series.")
    fx: Paths | None = F(default=None, description="Exchange rates.")
    rates: Paths | None = F(default=None, description="Zero curves.")
    fiscal: Paths | None = F(default=None, description="Taxes, levies and duties; the packaged file if absent.")


class ForecastConfig(Section):
    """Yield model."""

    backtest_start: MonthText | None = F(default=None, description="First origin of the backtest, YYYY-MM.")
    min_train_months: int = F(
        default=36, ge=12, description="Harvest months of the portfolio needed before boosting is used."
    )
    assumptions: dict[str, Any] = F(
        default={}, description="Overrides of the packaged agronomic assumptions by dotted key."
    )


class ValuationConfig(Section):
    """Monte Carlo and risk."""

    paths: int = F(
        default=2000, ge=100, le=1_000_000, description="Joint paths of price and yield, half of them antithetic."
    )
    assumptions: dict[str, Any] = F(
        default={}, description="Overrides of the packaged valuation assumptions by dotted key."
    )
    overlays: Paths | None = F(default=None, description="Manual adjustments of values, each signed; CSV or Parquet.")


class RightsConfig(Section):
    """Default terms of a revenue right."""

    right_id: str = F(default="R1", min_length=1, description="Identifier within the plantation.")
    share: float = F(default=0.20, gt=0, le=1, description="Fraction of the base revenue.")
    tenor_months: int = F(default=60, ge=1, le=360, description="Months of accrual.")
    base: Literal["gross_mill_gate", "net_of_levies", "net_operating"] = F(
        default="gross_mill_gate", description="Revenue the share is taken of."
    )
    units: int = F(default=1_000_000, ge=1, le=10**15, description="Units the right is divided into.")


class ReportsConfig(Section):
    """Trade reports: documents that market facts are read from; no value rests on them."""

    path: Paths | None = F(default=None, description="Documents (.txt, .md, .html, .pdf) or folders of them.")
    known_lag_days: int = F(default=0, ge=0, description="Days from publication until a document counts as known.")


class ComputeConfig(Section):
    """Machine."""

    workers: int = F(default=2, ge=1, description="Parallel workers; changes no result.")
    memory_limit: str = F(default="2GB", pattern=r"^\d+(\.\d+)?\s?[KMG]i?B$", description="Memory limit of one worker.")


class Config(Section):
    """The whole configuration."""

    version: Literal[1] = F(default=1, description="Version of this file's layout.")
    as_of: dt.date | None = F(default=None, strict=False, description="Valuation date; end of that day, UTC.")
    seed: int = F(default=0, ge=0, lt=2**63, description="Seed of all random streams.")
    simulated: bool = F(default=False, description="Whether inputs are simulated; then every output says so.")
    portfolio: PortfolioConfig
    imagery: ImageryConfig | None = None
    climate: ClimateConfig | None = None
    sensors: SensorsConfig | None = None
    harvest: HarvestConfig | None = None
    market: MarketConfig
    forecast: ForecastConfig = ForecastConfig()
    valuation: ValuationConfig = ValuationConfig()
    rights: RightsConfig = RightsConfig()
    compliance: ComplianceConfig = ComplianceConfig()
    reports: ReportsConfig = ReportsConfig()
    attest: AttestConfig = AttestConfig()
    compute: ComputeConfig = ComputeConfig()
    publish: PublishConfig = PublishConfig()

    def assumptions(self) -> Assumptions:
        """The packaged assumptions with this configuration's overrides."""
        base = packaged().override(self.forecast.assumptions, where="forecast.assumptions")
        base = base.override(self.valuation.assumptions, where="valuation.assumptions")
        return base.override(self.compliance.assumptions, where="compliance.assumptions")


_PATH_KEYS = {
    "portfolio": ("plantations", "blocks", "rights", "sponsors", "mills"),
    "imagery": ("source",),
    "climate": ("grid", "table", "index", "monthly", "seasonal"),
    "sensors": ("path",),
    "harvest": ("path",),
    "market": ("futures", "prices", "fx", "rates", "fiscal"),
    "compliance": ("published", "boundaries", "countries", "tenure", "sanctions", "documents"),
    "valuation": ("overlays",),
    "reports": ("path",),
}


def load_config(path: str | Path) -> Config:
    """Read, expand, validate and resolve a configuration file.

    Parameters
    ----------
    path
        YAML file. Relative paths inside it are relative to its folder; globs are expanded, sorted.

    Returns
    -------
    Config
        Frozen; every local path absolute and existing.

    Raises
    ------
    ConfigError
        With all problems of the file at once.
    """
    file = Path(path)
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([unreadable(file, error)]) from None
    problems: list[Problem] = []
    try:
        raw = load_yaml(text, file.name, problems)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-02-30
        raise ConfigError(
            [
                Problem(
                    file.name,
                    "is not valid YAML",
                    " ".join(str(error).replace('in "<unicode string>", ', "at ").split()),
                    "Mend the line named.",
                )
            ]
        ) from None
    if not isinstance(raw, dict):
        raise ConfigError(
            [Problem(file.name, "must be a mapping of sections", type(raw).__name__, "See configs/sample.yaml.")]
        )
    # an empty section is an absent one; names that are no text are shown as text
    raw = {str(key): value for key, value in raw.items() if value is not None}
    raw = expand_env(raw, file.name, problems)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems += validation_problems(file.name, Config, error)
        _resolve_raw_paths(raw, file, problems)
        raise ConfigError(problems) from None
    config = _resolve_paths(config, file, problems)
    try:
        config.assumptions()
    except ConfigError as error:
        problems += [Problem(f"{file.name}: {p.where}", p.what, p.value, p.remedy) for p in error.problems]
    if problems:
        raise ConfigError(problems)
    return config


def input_places(config: Config) -> dict[str, list[str]]:
    """The files and addresses that inputs are read from, by the key that names them."""
    found: dict[str, list[str]] = {}
    for section, keys in _PATH_KEYS.items():
        model = getattr(config, section)
        for key in keys if model is not None else ():
            entries = getattr(model, key)
            if entries:
                found[f"{section}.{label(model, key)}"] = list(entries)

    def note(entry: str, key: str) -> list[str]:
        found.setdefault(f"compliance.{key}", []).append(entry)
        return [entry]

    config.compliance.resolved(note)
    return found


def with_out(config: Config, out: str | None) -> Config:
    """The configuration with another output folder, relative to where the user stands; None changes nothing."""
    if out is None:
        return config
    if not out.strip():
        raise ConfigError([Problem("--out", "is empty", remedy="Name a folder, or s3://bucket/folder.")])
    if "://" in out and not out.split("://", 1)[1].strip("/"):
        raise ConfigError([Problem("--out", "names no bucket", out, "Write it as s3://bucket/folder.")])
    place = out if "://" in out else str(Path(out).resolve())
    return config.model_copy(update={"publish": config.publish.model_copy(update={"out": place})})


def json_schema() -> str:
    """JSON schema of the configuration, as written to ``configs/schema.json``."""
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True) + "\n"


#: made once: a portfolio has a fingerprint for each row
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON-able value or model in canonical form."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def _resolve_raw_paths(raw: dict[str, Any], file: Path, problems: list[Problem]) -> None:
    """Missing files of a configuration that has other problems too, so that one look shows all."""
    base = file.resolve().parent
    for section, keys in _PATH_KEYS.items():
        values = raw.get(section)
        if not isinstance(values, dict):
            continue
        for key in keys:
            label = "register" if key == "plantations" else key
            entries = as_list(values.get(label))
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, str):
                    _resolve(entry, base, f"{file.name}: {section}.{label}", problems)


def _resolve_paths(config: Config, file: Path, problems: list[Problem]) -> Config:
    base = file.resolve().parent
    updates: dict[str, Any] = {}
    for section, keys in _PATH_KEYS.items():
        model = getattr(config, section)
        if model is None:
            continue
        found = {}
        for key in keys:
            entries = getattr(model, key)
            if entries is not None:
                where = f"{file.name}: {section}.{label(model, key)}"
                # a file that two patterns match is read once
                found[key] = list(dict.fromkeys(p for e in entries for p in _resolve(e, base, where, problems)))
        updates[section] = model.model_copy(update=found)
    updates["compliance"] = updates["compliance"].resolved(
        lambda entry, key: _resolve(entry, base, f"{file.name}: compliance.{key}", problems)
    )
    updates["attest"] = config.attest.model_copy(
        update={"signers": [_with_keystore(s, base, file, problems) for s in config.attest.signers]}
    )
    out = config.publish.out
    if not out.strip():
        remedy = "Name a folder, or s3://bucket/folder."
        problems.append(Problem(f"{file.name}: publish.out", "is empty", remedy=remedy))
    if "://" not in out:
        updates["publish"] = config.publish.model_copy(update={"out": str((base / out).resolve())})
    return config.model_copy(update=updates)


def _with_keystore(signer: SignerConfig, base: Path, file: Path, problems: list[Problem]) -> SignerConfig:
    if signer.keystore is None:
        return signer
    found = _resolve(signer.keystore, base, f"{file.name}: attest.signers", problems)
    return signer.model_copy(update={"keystore": found[0] if found else signer.keystore})


def _resolve(entry: str, base: Path, where: str, problems: list[Problem]) -> list[str]:
    if "://" in entry or ENV.search(entry):  # a variable that is not set has its own problem already
        return [entry]
    path = str(base / entry)
    found = sorted(glob.glob(path)) if glob.has_magic(entry) else ([path] if os.path.exists(path) else [])
    if not found:
        problems.append(
            Problem(
                where,
                "no such file",
                entry,
                f"Paths are relative to {base.name}/, the folder of the configuration.",
            )
        )
    return [str(Path(p).resolve()) for p in found]
