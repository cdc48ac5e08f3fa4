"""What buyers prefer and what the grid charges between zones; docs/preferences-and-fees.md explains the rules."""
