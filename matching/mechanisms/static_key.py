"""Keys agreed beforehand: participant i may use its share a_i of all generation, and no more: q_i = min(I_i, a_i E).

At the community's price, among those whose limits accept it; E is what accepting sellers offer, I_i what the accepting
orders of i ask for. Shares that their owner does not use stay unshared, in a single pass: sellers keep that energy for
their own suppliers, in proportion. Keys are parts per million of generation and add up to one at most; without keys,
all participants who buy at the price have equal ones. Whole Wh: the entitlements a_i E are floored and completed to
floor(E sum(a)) by largest remainder, then keyed hash of the participant; a participant's energy is shared among its
orders pro rata.
"""

import numpy as np
from numpy.typing import NDArray

from matching.book import IntArray
from matching.mechanisms.fixed_price import at_one_price
from matching.mechanisms.interface import Match, Properties, Tradable
from matching.rationing import grouped, keyed_tie_keys, pro_rata, share_out

WHOLE_PPM = 1_000_000


class StaticKey:
    """Truthful as `fixed_price` is; wastes what a key's owner does not use."""

    properties = Properties(uniform_price=True, truthful=True, community_price=True, keys=True)

    def match(self, tradable: Tradable) -> Match:
        """What is tradable at the community's price, which must be known, within the keys."""
        price = tradable.price_micro_per_kwh
        assert price is not None
        selling, buying = tradable.accepting(price)
        quantity, accepted = tradable.quantity_wh, np.zeros_like(tradable.quantity_wh)
        generation_wh = int(quantity[selling].sum())
        owners, owner = np.unique(tradable.book.participants[buying], return_inverse=True)
        wanted_wh = np.zeros(owners.size, dtype=np.int64)
        np.add.at(wanted_wh, owner, quantity[buying])
        shared_wh = np.minimum(wanted_wh, _entitled(tradable, owners, generation_wh))
        assert int(shared_wh.sum()) <= generation_wh
        for own, energy_wh in zip(grouped(buying, owner), shared_wh.tolist(), strict=True):
            accepted[own] = pro_rata(quantity[own], energy_wh, positions=own, tie_keys=tradable.tie_keys)
        accepted[selling] = pro_rata(
            quantity[selling], int(shared_wh.sum()), positions=selling, tie_keys=tradable.tie_keys
        )
        return at_one_price(tradable, accepted, price)


def _entitled(tradable: Tradable, owners: NDArray[np.bytes_], generation_wh: int) -> IntArray:
    """What the keys give to each of these participants [n], whole Wh."""
    if tradable.keys_ppm is None:
        keys, total_wh = np.ones(owners.size, dtype=np.int64), generation_wh
    else:
        keys = np.array([tradable.keys_ppm.get(name.decode(), 0) for name in owners.tolist()], dtype=np.int64)
        total_wh = generation_wh * int(keys.sum()) // WHOLE_PPM
    if total_wh == 0 or not keys.any():
        return np.zeros(owners.size, dtype=np.int64)
    tie_keys = keyed_tie_keys(owners, tradable.tie_seed)
    return share_out(total_wh, keys, positions=np.arange(owners.size), tie_keys=tie_keys)
