"""A verifier for people who do not trust this project: a script of its own that imports nothing of it."""
