"""A day in the life of a community."""
