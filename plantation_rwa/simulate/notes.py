"""Text of ``data/sample/README.md``."""

from __future__ import annotations

SAMPLE_README = """# The sample portfolio

**Simulated.** No plantation here exists as described: names, planting dates, harvests, scenes, sensors, weather, sponsors, mills and rights
are invented by `plantation_rwa.simulate` from seed {seed}, up to {end}. Every output made from it says so. Rebuild it, byte for byte on the
same versions of the libraries, with

    python -m plantation_rwa.simulate.sample SHARED_DATA_DIR data/sample

| file | what | real or simulated |
|---|---|---|
| `register.geojson`, `blocks.parquet` | 12 plantations, blocks of two of them (one with outlines, one without) | outlines `SIM-ID-*`: real outlines of oil palm in Central Kalimantan mapped in 2024, the largest cut into squares; `SIM-MY-*` outlines and all attributes: invented |
| `rights.csv`, `sponsors.csv`, `mills.csv` | terms of some rights, counterparties | simulated |
| `climate/grid_*.nc` | daily grid 0.1 degree over the Kalimantan plantations, 2012 to {end} | simulated around real normals and the real ENSO index |
| `climate/daily.parquet` | daily table of the Malaysian plantations | simulated likewise |
| `climate/oni.ascii.txt` | Oceanic Nino Index | **real** (NOAA CPC, public domain) |
| `sensors/*.parquet` | hourly stations of five plantations, with the faults listed in `truth/sensor_faults.csv` | simulated |
| `harvest/harvest.csv` | 8 to 10 years of nine plantations; `SIM-ID-05`, `SIM-ID-06` and `SIM-MY-03` have none; mistakes in `truth/harvest_mistakes.csv` | simulated |
| `scenes/*` | Sentinel-2-like L2A scenes of four plantations, 36 months, at most two passes a month | simulated pixels and items; processing baseline 03.01 in the first half and 05.11 (+1000) in the second, whatever the date: that is a property of this world only |
| `market/prices.csv` | domestic palm oil and kernel prices | fixed fractions of the real World Bank price at the real exchange rate; `k_id` and `shell_id` simulated |
| `market/futures.csv` | 500 settlement days, 24 contracts | simulated term structure around that price |
| `market/fx.csv` | USD, EUR, MYR, IDR | **real**, crosses of the ECB's reference rates |
| `market/rates.csv` | zero curves | simulated |
| `truth/` | what the simulator knows: deficits, every factor of every yield, noise-free indices, offsets, faults | simulated |
| `real/` | real inputs as they come: pixels, items, prices, exchange rates, climate | **real**; see the table below |

## Real data and their sources

| folder | what | source, licence |
|---|---|---|
| `real/prices` | palm oil and palm kernel oil, USD/t, monthly | World Bank, Commodity Price Data (The Pink Sheet), CC BY 4.0 |
| `real/fx` | USD/MYR, USD/IDR, EUR/USD, daily | Source: ECB statistics; crosses computed from rates per euro |
| `real/climate/oni.ascii.txt` | Oceanic Nino Index | NOAA Climate Prediction Center, public domain |
| `real/climate/merlimau_1987_2008_daily.csv` | daily station of Merlimau, Melaka | cbsteh/Sawit.jl, MIT |
| `real/sentinel2` | L2A pixels of South Tyrol, 2022-06-12 | Open-EO/openeo-localprocessing-data; contains modified Copernicus Sentinel data 2022 |
| `real/sentinel2` | L2A pixels of tile 29RKH, 2020-02-19, decimated | cogeotiff/rio-tiler-pds, BSD-3; contains modified Copernicus Sentinel data 2020 |
| `real/stac` | STAC items and search pages | stac-utils/pystac-client (Apache-2.0), opendatacube/odc-stac (Apache-2.0), stac-utils (MIT), stactools-packages/sentinel2 (Apache-2.0) |
| outlines of `SIM-ID-*` | oil-palm polygons, Central Kalimantan, 2024 | ramiqcom/remote-sensing-python, MIT |
"""
