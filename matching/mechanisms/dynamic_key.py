"""Keys that follow consumption: everybody's share of generation is the own share of what all consume just then.

q_i = I_i min(1, E/I), at the community's price. On orders this is what `fixed_price` gives: a dynamic key is what
pro rata is called where the sharing is reported to the grid operator as keys. Nothing is wasted that could be used.
"""

from matching.mechanisms.fixed_price import FixedPrice


class DynamicKey(FixedPrice):
    """Pro rata at the community's price, by its other name."""
