"""The traps of trade reports: what a number is of, for when, and whether it still holds."""

from __future__ import annotations

import pytest

from tests.features.report_documents import numbers, told


def test_a_comparison_year_is_no_new_level() -> None:
    found = numbers("Palm oil production reached 20.5 million tons in 2024, up from 19.1 million tons in 2023.")
    assert found == [
        ("production", "MY", "2024", 20.5e6, "t", "up", "level", "actual"),
        ("production", "MY", "2023", 19.1e6, "t", "", "level", "comparison"),
    ]


def test_a_bare_number_behind_up_from_takes_the_unit_before_it_and_a_year_earlier_is_reckoned() -> None:
    found = numbers("Palm oil production reached 20.5 million tons in 2024, up from 19.1 a year earlier.")
    assert ("production", "MY", "2023", 19.1e6, "t", "", "level", "comparison") in found
    assert ("production", "MY", "2024", 20.5e6, "t", "up", "level", "actual") in found
    assert len(found) == 2


@pytest.mark.parametrize("written", ["MY 2019/20", "MY2019/20", "marketing year (MY) 2019/2020", "2019-20", "2019/20"])
def test_marketing_years_in_all_their_forms(written: str) -> None:
    assert numbers(f"Palm oil production in {written} is forecast at 20.3 million tons.", published="2019-03-28") == [
        ("production", "MY", "2019/20", 20.3e6, "t", "", "level", "forecast")
    ]


def test_years_that_do_not_follow_each_other_are_no_marketing_year() -> None:
    assert all(f[2] == "" for f in numbers("Palm oil output was 20.3 million tons, as in 2015-2019."))


@pytest.mark.parametrize(
    ("written", "tonnes"),
    [
        ("1.84 million tonnes", 1.84e6),
        ("1,840 thousand tonnes", 1.84e6),
        ("1.84 MMT", 1.84e6),
        ("1,840,000 MT", 1.84e6),
        ("1,840 kt", 1.84e6),
        ("1.84 Mt", 1.84e6),
        ("1.84m tonnes", 1.84e6),
        ("1,840 tonnes", 1840.0),
    ],
)
def test_million_and_thousand_tonnes(written: str, tonnes: float) -> None:
    assert [f[3:5] for f in numbers(f"Palm oil stocks stood at {written} in May 2025.")] == [(tonnes, "t")]


@pytest.mark.parametrize(
    "written",
    ["1,84 million tonnes", "1.840.000 tonnes", "1.84 million short tons", "1.84 million barrels", "2 t/acre"],
)
def test_what_cannot_be_read_without_guessing_is_not_read(written: str) -> None:
    assert numbers(f"Palm oil stocks stood at {written} in May 2025.") == []


def test_a_change_in_percent_is_no_level_and_a_change_in_tonnes_neither() -> None:
    assert numbers("Palm oil exports fell 5.2 percent to 1.2 million tonnes in May 2025.") == [
        ("exports", "MY", "2025-05", 5.2, "%", "down", "change", "actual"),
        ("exports", "MY", "2025-05", 1.2e6, "t", "down", "level", "actual"),
    ]
    assert numbers("Palm oil exports rose by 60,000 tonnes in May 2025.") == [
        ("exports", "MY", "2025-05", 60e3, "t", "up", "change", "actual")
    ]


def test_the_share_of_something_is_no_change() -> None:
    assert numbers("Sabah accounted for 25 percent of palm oil production in 2024.") == []


def test_a_rate_of_extraction_is_a_level_and_points_are_its_change() -> None:
    assert numbers("The oil extraction rate rose 0.3 percentage points to 20.1 percent in 2024.") == [
        ("OER", "MY", "2024", 0.3, "pp", "up", "change", "actual"),
        ("OER", "MY", "2024", 20.1, "%", "up", "level", "actual"),
    ]


def test_forecast_and_actual_in_one_sentence() -> None:
    found = numbers(
        "Palm oil production reached 19.3 million tons in 2024 and is expected to rise to 19.8 million tons in 2025."
    )
    assert [(f[2], f[3], f[7]) for f in found] == [("2024", 19.3e6, "actual"), ("2025", 19.8e6, "forecast")]


def test_a_revised_forecast_supersedes_the_old_one() -> None:
    found = numbers("The 2024/25 palm oil production forecast is reduced from 21.25 to 19.7 million tons.")
    assert [(f[3], f[5], f[7]) for f in found] == [(21.25e6, "", "superseded"), (19.7e6, "down", "forecast")]
    found = numbers(
        "Post forecasts exports at 16.9 million tons in 2024/25. This is below the initial estimate of 17.1 million "
        "tons."
    )
    assert [(f[0], f[2], f[3], f[7]) for f in found] == [
        ("exports", "2024/25", 16.9e6, "forecast"),
        ("exports", "2024/25", 17.1e6, "superseded"),
    ]


def test_two_countries_in_one_sentence() -> None:
    found = numbers(
        "In 2024 Malaysia produced 19.3 million tons of palm oil and Indonesia 46.2 million tons.", country=""
    )
    assert [(f[1], f[3]) for f in found] == [("MY", 19.3e6), ("ID", 46.2e6)]
    found = numbers(
        "Palm oil production in 2024 was 19.3 million tons in Malaysia and 46.2 million tons in Indonesia.", country=""
    )
    assert [(f[1], f[3]) for f in found] == [("MY", 19.3e6), ("ID", 46.2e6)]


def test_a_buyer_is_not_the_seller_and_the_part_that_it_buys_not_the_whole() -> None:
    assert numbers("Malaysian palm oil exports to India rose 12 percent in May 2025.", country="") == []
    found = numbers("Palm oil exports fell to 1.2 million tonnes in May 2025 on weak demand from India.")
    assert [(f[1], f[3]) for f in found] == [("MY", 1.2e6)]


def test_the_world_is_no_country() -> None:
    assert numbers("Global palm oil production is forecast at 79 million tons in 2024/25.") == []


@pytest.mark.parametrize(
    "text",
    [
        "Indonesia will not raise the export levy to 12.5 percent.",
        "The ministry denied that the export levy would rise to 12.5 percent.",
        "There is no plan to raise the export levy to 12.5 percent on March 1, 2026.",
        "Palm oil exports did not fall 5 percent in May 2025.",
    ],
)
def test_what_is_denied_is_no_fact(text: str) -> None:
    assert told(text, country="ID") == []


def test_what_is_only_considered_is_expected_at_most() -> None:
    found = numbers("Indonesia is considering raising the export levy to 12.5 percent on March 1, 2026.", country="ID")
    assert [f[7] for f in found] == ["forecast"]


@pytest.mark.parametrize(
    "text",
    [
        "Soybean oil production is forecast at 20.5 million tons in 2024/25.",
        "Palm kernel oil production is forecast at 2.2 million tons in 2024/25.",
        "Palm oil consumption is forecast at 3.4 million tons in 2024/25.",
        "Palm oil imports by India reached 9.1 million tons in 2024.",
        "Mills have a capacity of 118 million tons of fresh fruit bunches.",
    ],
)
def test_other_quantities_and_commodities_are_left_alone(text: str) -> None:
    assert numbers(text) == []


def test_a_change_of_the_sentence_before_is_carried_on_by_this() -> None:
    found = numbers(
        "Palm oil production in 2024/25 is put at 19.7 million tons. This decrease of 200,000 MT follows dry weather."
    )
    assert found[-1] == ("production", "MY", "2024/25", 200e3, "t", "down", "change", found[-1][7])


def test_prices_per_kilogram_are_told_per_tonne() -> None:
    found = numbers("In February 2021, farmers received prices of IDR 2,200 per kg ($0.16) for FFB.", country="ID")
    assert found == [("price", "ID", "2021-02", 2.2e6, "IDR/t", "", "level", "actual")]


def test_a_levy_raised_from_one_rate_to_another() -> None:
    found = numbers(
        "On May 14, 2025, Indonesia raised the export levy from 7.5 percent to 10 percent for crude palm oil."
    )
    assert found == [
        ("levy", "ID", "2025-05-14", 7.5, "%", "", "level", "superseded"),
        ("levy", "ID", "2025-05-14", 10.0, "%", "up", "level", "actual"),
    ]


def test_words_without_numbers() -> None:
    found = told("Severe floods last month and acute labor shortages hit estates.", published="2015-01-31")
    assert ("weather", "MY", "2014-12", None, "", "down", "state", "actual") in found
    assert ("labour", "MY", "2014-12", None, "", "down", "state", "actual") in found
    assert told("Growers plant high yield seedlings.") == []
    assert told("In April 2022 Indonesia banned exports of palm oil.", country="ID", published="2022-05-01") == [
        ("export policy", "ID", "2022-04", None, "", "down", "state", "actual")
    ]


def test_the_period_of_a_heading_holds_for_the_sentences_under_it() -> None:
    text = "# Palm oil review, May 2025\n\nProduction was 1.7 million tonnes. Exports fell 5 percent."
    assert [f[:4] for f in numbers(text)] == [
        ("production", "MY", "2025-05", 1.7e6),
        ("exports", "MY", "2025-05", 5.0),
    ]


def test_the_period_of_the_sentence_before_holds_for_what_can_be_of_it() -> None:
    first = "Palm oil production was 1.7 million tonnes in May 2025. "
    assert [f[2] for f in numbers(first + "Exports fell to 1.2 million tonnes.")] == ["2025-05", "2025-05"]
    assert [f[2] for f in numbers(first + "Stocks had been forecast at 1.9 million tonnes.")] == ["2025-05", "2025-05"]
    for other in (
        "Stocks are expected to reach 1.9 million tonnes.",
        "Stocks now stand at 1.9 million tonnes.",
        "Futures settled at 4,012 ringgit a ton.",
    ):
        assert [f[2] for f in numbers(first + other)] == ["2025-05", ""], other


def test_two_periods_before_leave_none_for_the_next_sentence() -> None:
    first = "Palm oil production was 1.6 million tonnes in April 2025 and 1.7 million tonnes in May 2025. "
    assert [f[2] for f in numbers(first + "Stocks fell to 1.8 million tonnes.")] == ["2025-04", "2025-05", ""]


def test_the_month_of_what_is_compared_with_is_not_that_of_the_level() -> None:
    text = "Palm oil stocks, May 2025. Stocks fell to 1,865,000 tonnes as against 1,900,000 tonnes in April 2025."
    assert [(f[2], f[7]) for f in numbers(text)] == [("2025-05", "actual"), ("2025-04", "comparison")]


def test_a_levy_on_exports_is_a_levy() -> None:
    found = numbers("The levy on exports of palm oil was increased to 10 percent from 7.5 percent.", country="ID")
    assert [(f[0], f[3], f[7]) for f in found] == [("levy", 10.0, "actual"), ("levy", 7.5, "superseded")]


@pytest.mark.parametrize(
    "text",
    [
        "The export duty structure starts at 3 percent for palm oil from RM 2,250 to RM 2,400 a tonne.",
        "The export levy on crude palm oil ranges from 3 percent to 6 percent.",
        "The export duty is USD 288 per tonne where the reference price exceeds USD 1,430 per tonne.",
    ],
)
def test_a_ladder_of_rates_is_no_level(text: str) -> None:
    assert numbers(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "The palm oil export ban of 2022 will not be repeated.",
        "A new ban on exports of palm oil has been ruled out.",
        "The export levy of 12.5 percent was never introduced.",
    ],
)
def test_a_policy_that_is_denied_behind_its_name_is_no_fact(text: str) -> None:
    assert told(text, country="ID", published="2026-05-01") == []


def test_a_forecast_that_is_cut_is_a_forecast_and_the_old_one_superseded() -> None:
    for text in (
        "Palm oil ending stocks for 2025/26 are lowered from 5.2 to 4.9 million tons.",
        "We cut our 2025/26 palm oil stocks forecast to 4.9 million tons from 5.2 million tons.",
    ):
        found = numbers(text)
        assert {(f[2], f[3], f[5], f[7]) for f in found} == {
            ("2025/26", 5.2e6, "", "superseded"),
            ("2025/26", 4.9e6, "down", "forecast"),
        }


def test_a_word_of_movement_that_the_figures_contradict_is_left_out() -> None:
    found = numbers("Palm oil stocks were 1.8 million tonnes in May 2025, up from 1.9 million tonnes in April 2025.")
    assert found[0] == ("stocks", "MY", "2025-05", 1.8e6, "t", "", "level", "actual")


TABLE = """Malaysia palm oil balance (1,000 MT)

| Item | 2022/23 | 2023/24 | 2024/25 forecast |
|------|--------:|--------:|-----------------:|
| Production | 18,389 | 19,710 | 19,200 |
| Ending stocks | 2,314 | 1,985 | n.a. |
| Domestic consumption | 3,600 | 3,700 | 3,800 |
| Palm kernel oil production | 2,100 | 2,200 | 2,150 |
"""


def test_a_table_in_the_text_takes_its_unit_from_its_caption() -> None:
    found = numbers(TABLE, published="2024-12-01")
    assert found == [
        ("production", "MY", "2022/23", 18_389e3, "t", "", "level", "actual"),
        ("production", "MY", "2023/24", 19_710e3, "t", "", "level", "actual"),
        ("production", "MY", "2024/25", 19_200e3, "t", "", "level", "forecast"),
        ("stocks", "MY", "2022/23", 2_314e3, "t", "", "level", "actual"),
        ("stocks", "MY", "2023/24", 1_985e3, "t", "", "level", "actual"),
    ]


def test_a_table_of_gaps_with_units_in_its_labels() -> None:
    text = (
        "Palm oil, Indonesia\n\nItem                    2023      2024\n"
        "Production (million t)  50.1      48.2\nStocks (1000 t)         3,150     2,580\n"
    )
    assert [f[:5] for f in numbers(text, country="ID")] == [
        ("production", "ID", "2023", 50.1e6, "t"),
        ("production", "ID", "2024", 48.2e6, "t"),
        ("stocks", "ID", "2023", 3_150e3, "t"),
        ("stocks", "ID", "2024", 2_580e3, "t"),
    ]


def test_the_unit_in_the_head_of_a_table_counts_before_that_of_its_caption() -> None:
    text = "Palm oil, million tonnes\n\n| 1000 MT | 2023 | 2024 |\n|---|---|---|\n| Exports | 398 | 360 |\n"
    assert [f[2:5] for f in numbers(text)] == [("2023", 398e3, "t"), ("2024", 360e3, "t")]


def test_a_table_whose_rows_are_months() -> None:
    text = (
        "Palm oil\n\n| Month | Production (t) | Exports | OER (%) |\n|---|---|---|---|\n"
        "| April 2025 | 158,200 | 44,100 | 21.3 |\n| Total | 158,200 | 44,100 | |\n"
    )
    assert [(f[0], *f[2:5]) for f in numbers(text)] == [
        ("production", "2025-04", 158_200.0, "t"),
        ("OER", "2025-04", 21.3, "%"),
    ]


def test_a_table_without_a_unit_says_nothing() -> None:
    assert numbers(TABLE.replace(" (1,000 MT)", "")) == []


def test_a_document_that_never_speaks_of_palms_says_nothing() -> None:
    from plantation_rwa.features.report_facts import Document, facts_of
    from plantation_rwa.features.report_grammar import Grammar

    assert facts_of(Document("d", "Production reached 20.5 million tons in 2024."), [Grammar()]) == ([], [])


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f", "\u2009", "'"])
def test_digits_that_spaces_part_are_not_read_in_parts(space: str) -> None:
    written = f"1{space}600{space}000"
    assert numbers(f"Palm oil exports were {written} tonnes in May 2025.") == []
    assert [f[3] for f in numbers(f"Exports of palm oil were 1.6 million tonnes, up from {written} tonnes.")] == [1.6e6]


@pytest.mark.parametrize("written", ["19.\u200b4 million tonnes", "1\u200b9 million tonnes", "1\u03369 million tonnes"])
def test_a_number_with_characters_that_are_not_seen_is_not_read(written: str) -> None:
    assert numbers(f"Palm oil stocks were {written} in May 2025.") == []


@pytest.mark.parametrize("sign", ["-", "\u2212", "\u2013", "\u2212 ", "minus "])
def test_a_number_below_zero_is_not_read_without_its_sign(sign: str) -> None:
    assert numbers(f"Palm oil stocks were {sign}5 million tonnes in May 2025.") == []
    assert [f[3] for f in numbers("Palm oil prices rose 3-5 percent in May 2025.")] == [3.0, 5.0]


@pytest.mark.parametrize(
    "text",
    [
        "It is false that palm oil exports were 1.6 million tonnes in May 2025.",
        "That palm oil exports were 1.6 million tonnes in May 2025 is not true.",
        "The board withdrew its decision that the export levy rises to 15 percent.",
        "The board revoked its decision that the export levy rises to 15 percent.",
        "Reports that the export levy rises to 15 percent from March 1, 2026, were denied.",
        "The ministry denied reports that, from March 1, 2026, the export levy rises to 15 percent.",
        "Without the floods, palm oil production would have been 15 million tonnes in 2024.",
    ],
)
def test_what_is_false_withdrawn_or_unreal_is_no_fact(text: str) -> None:
    assert numbers(text) == []


def test_a_bound_is_no_level() -> None:
    assert numbers("Palm oil prices fell below RM3,900 per tonne in May 2025.") == []


def test_the_country_that_exports_leave_is_that_of_their_levy_and_no_comparison() -> None:
    text = "The levy rises to 10 percent on May 17, 2025, on palm oil exports from Indonesia."
    assert [f[:4] for f in numbers(text)] == [("levy", "ID", "2025-05-17", 10.0)]
    text = "Palm oil exports from Indonesia reached 1.6 million tonnes in May 2025."
    assert [(*f[:4], f[7]) for f in numbers(text)] == [("exports", "ID", "2025-05", 1.6e6, "actual")]


def test_a_levy_in_percent_of_a_price_is_a_levy() -> None:
    found = numbers("Indonesia raised the levy from 12.5 percent to 14 percent of the reference price in May 2025.")
    assert [(f[0], f[3], f[7]) for f in found] == [("levy", 12.5, "superseded"), ("levy", 14.0, "actual")]
