"""A published result checked again, readable as the specification of what a right result is.

Nothing here is shared with the engine that made the result: not its auction, optimisation, prices, certificate or power
flow. What is known of a result is what its files say (`published.py`); what must hold is the list in `checks.py`, one
function each, which answers with everything that does not hold.
"""
