"""Fields of a right's term sheet, published beside its value."""

from __future__ import annotations

from plantation_rwa.schema.kinds import money, price, text, whole

BASES = ("gross_mill_gate", "net_of_levies", "net_operating")
ROUTES = ("mill_direct", "controlled_account", "sponsor")

RIGHT_FIELDS = (
    text("base", "Revenue that is shared: at the mill gate, after levies, or after levies and field cost.", BASES),
    text("start_month", "First month whose harvest is shared, YYYY-MM; it may lie before as_of."),
    price("price_floor", "Lowest price per t that is shared, currency of the mill; null without one."),
    price("price_cap", "Highest price per t that is shared, currency of the mill; null without one."),
    text("price_basis", "What floor and cap bound: the price of fruit bunches or of palm oil.", ("ffb", "cpo")),
    money("min_payment", "Least payment of a period, currency of the mill; null without one."),
    money("max_payment", "Largest payment of a period, currency of the mill; null without one."),
    whole("frequency_months", "month", "Months of a payment period.", 1),
    whole("payment_lag_months", "month", "Months between the end of a period and its payment.", 0),
    money("issue_price", "Price paid for the whole right; null if none is known."),
    text("payor_id", "Mill or sponsor that pays; empty where the sponsor does."),
    text("collection_route", "Way of the money: who holds it between harvest and payment.", ROUTES),
)
