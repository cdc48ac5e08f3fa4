"""Rows to nouns and back: the only statements on the tables besides `ingest`.

Every function takes a Connection whose transaction the caller has opened with `database.reading` or
`database.writing`, so that one caller can do several things at once or not at all.
"""
