"""A doubt as the rules leave it, for tests of who may answer it."""

from app.storage.store.findings import DayFinding


def doubt_of(point: str, day: str) -> DayFinding:
    return DayFinding(
        metering_point_id=point,
        day=day,
        rule="both_ways",
        start_s=0,
        end_s=86_400,
        message="much import and much export at once in 1 intervals",
        version=1,
        doubts=True,
        found_s=0,
    )
