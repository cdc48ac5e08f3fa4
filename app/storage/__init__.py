"""Rows and nouns: the database behind the community."""
