"""Countries, and the time zone a plantation lies in when its register does not say."""

from __future__ import annotations

import re
import zoneinfo

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""

#: ISO 3166-1 alpha-2 codes in force.
COUNTRIES = frozenset(_CODES.split())

#: Zone of each country that grows oil palm; of countries with several zones, the one most palms stand in.
_ZONES = {
    "AO": "Africa/Luanda", "BI": "Africa/Bujumbura", "BJ": "Africa/Porto-Novo", "BN": "Asia/Brunei",
    "BR": "America/Belem", "CD": "Africa/Kinshasa", "CF": "Africa/Bangui", "CG": "Africa/Brazzaville",
    "CI": "Africa/Abidjan", "CM": "Africa/Douala", "CO": "America/Bogota", "CR": "America/Costa_Rica",
    "DO": "America/Santo_Domingo", "EC": "America/Guayaquil", "GA": "Africa/Libreville", "GH": "Africa/Accra",
    "GM": "Africa/Banjul", "GN": "Africa/Conakry", "GQ": "Africa/Malabo", "GT": "America/Guatemala",
    "GW": "Africa/Bissau", "HN": "America/Tegucigalpa", "ID": "Asia/Jakarta", "IN": "Asia/Kolkata",
    "KH": "Asia/Phnom_Penh", "LA": "Asia/Vientiane", "LK": "Asia/Colombo", "LR": "Africa/Monrovia",
    "MG": "Indian/Antananarivo", "MM": "Asia/Yangon", "MX": "America/Mexico_City", "MY": "Asia/Kuala_Lumpur",
    "NG": "Africa/Lagos", "NI": "America/Managua", "PA": "America/Panama", "PE": "America/Lima",
    "PG": "Pacific/Port_Moresby", "PH": "Asia/Manila", "PY": "America/Asuncion", "SB": "Pacific/Guadalcanal",
    "SG": "Asia/Singapore", "SL": "Africa/Freetown", "SN": "Africa/Dakar", "SR": "America/Paramaribo",
    "ST": "Africa/Sao_Tome", "TG": "Africa/Lome", "TH": "Asia/Bangkok", "TZ": "Africa/Dar_es_Salaam",
    "UG": "Africa/Kampala", "VE": "America/Caracas", "VN": "Asia/Ho_Chi_Minh", "VU": "Pacific/Efate",
}  # fmt: skip

#: Country -> (zone, words of states in it); a state's ISO 3166-2 suffix counts as a word. The first match wins.
_STATES: dict[str, tuple[tuple[str, str], ...]] = {
    "ID": (
        ("Asia/Jayapura", r"papua|irian|maluku|moluccas|pa|pb|pd|pe|ps|pt|ma|mu"),
        (
            "Asia/Makassar",
            r"kalimantan timur|east kalimantan|kaltim|ki|kalimantan selatan|south kalimantan|kalsel|ks|kalimantan utara"
            r"|north kalimantan|kaltara|ku|sulawesi|celebes"
            r"|sulut|sulteng|sulsel|sultra|sulbar|gorontalo|bali|nusa tenggara"
            r"|ntb|ntt|sn|st|sr|sg|sa|go|ba|nb|nt",
        ),
    ),
    "BR": (
        ("America/Manaus", r"amazonas|am|rondonia|rondônia|ro|mato grosso|mt"),
        ("America/Boa_Vista", r"roraima|rr"),
        ("America/Rio_Branco", r"acre|ac"),
        ("America/Bahia", r"bahia"),
    ),
    "CD": (
        (
            "Africa/Lubumbashi",
            r"katanga|kivu|ituri|tshopo|haut-uele|bas-uele|maniema|kasai|kasaï|lualaba|orientale|tanganyika",
        ),
    ),
    "PG": (("Pacific/Bougainville", r"bougainville"),),
}


def default_timezone(country: str, state: str) -> str | None:
    """IANA zone by country and state; None for a country of which no zone is known here.

    Indonesia: UTC+8 (WITA) in East, South and North Kalimantan, Sulawesi, Bali and Nusa Tenggara, UTC+9 (WIT)
    in Papua and Maluku, UTC+7 (WIB) elsewhere (Keputusan Presiden 41/1987).

    Parameters
    ----------
    country
        ISO 3166-1 alpha-2.
    state
        Name in English or the country's language, or ISO 3166-2 code; empty if unknown.
    """
    words = re.sub(r"[_\s]+", " ", state.strip().lower()).removeprefix(f"{country.lower()}-")
    for zone, pattern in _STATES.get(country, ()):
        if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", words):
            return zone
    return _ZONES.get(country)


def longitude_timezone(longitude: float) -> str:
    """Zone of whole hours nearest to solar time; IANA names of that family have the opposite sign."""
    hours = round(longitude / 15.0)
    return "Etc/GMT" if hours == 0 else f"Etc/GMT{-hours:+d}"


def is_timezone(name: str) -> bool:
    """Whether the name is in the IANA data of this machine."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
