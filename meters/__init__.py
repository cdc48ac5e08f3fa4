"""From meter registers to signed interval energy."""
