"""A feeder on its own: no supplier, local energy only, and shedding as the last resort at the value of lost load.

Where everything that flows is somebody's accepted order, an island is the double auction of another book: every order
flows as far as it is accepted, and firm demand bids the value of lost load. `rules.py` makes that book,
`publication.py` says of its result what was shed, spilled and lost.
"""
