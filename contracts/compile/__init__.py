"""Builds `contracts/artifacts` from `contracts/src` with pinned npm packages; running Commonwatt does not need it."""
