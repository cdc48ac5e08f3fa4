"""Ways to trade, by the name under which a community chooses one; docs/mechanisms.md compares them."""

from collections.abc import Mapping
from types import MappingProxyType

from matching.mechanisms.dynamic_key import DynamicKey
from matching.mechanisms.fixed_price import FixedPrice
from matching.mechanisms.interface import Mechanism
from matching.mechanisms.k_double_auction import KDoubleAuction
from matching.mechanisms.mcafee import McAfee
from matching.mechanisms.mid_market_rate import MidMarketRate
from matching.mechanisms.pay_as_bid import PayAsBid
from matching.mechanisms.static_key import StaticKey

DEFAULT_MECHANISM = "k_double_auction"
MECHANISMS: Mapping[str, Mechanism] = MappingProxyType(
    {
        DEFAULT_MECHANISM: KDoubleAuction(),
        "mid_market_rate": MidMarketRate(),
        "fixed_price": FixedPrice(),
        "static_key": StaticKey(),
        "dynamic_key": DynamicKey(),
        "pay_as_bid": PayAsBid(),
        "mcafee": McAfee(),
    }
)
