"""Ways to trade, by the name under which a community chooses one; docs/mechanisms.md compares them."""

from collections.abc import Mapping
from types import MappingProxyType

from matching.mechanisms.interface import Mechanism
from matching.mechanisms.k_double_auction import KDoubleAuction

MECHANISMS: Mapping[str, Mechanism] = MappingProxyType({"k_double_auction": KDoubleAuction()})
