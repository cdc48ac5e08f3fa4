"""Whatever is posted as readings: an answer, never a crash, and nothing of it is believed."""

import json

from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from app.storage.database import reading
from app.storage.tables import ReadingRow, core_table
from tests.app.neighbourhood import NOON_S, as_json, readings_from, signed

GOOD = as_json(signed(readings_from([(1_000_000, 0), (1_250_000, 0)], start_s=NOON_S - 1_800)))
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
)
anything = st.dictionaries(st.sampled_from([*GOOD, "batches", "odd"]), values, max_size=7)
altered = (
    st.dictionaries(st.sampled_from(list(GOOD)), values, min_size=1)
    .map(lambda odd: GOOD | odd)
    .filter(lambda batch: batch != GOOD)
)
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@SHARED
@given(st.lists(anything | altered | values, max_size=3))
def test_batches_of_any_shape_get_one_refusal_each(client: FlaskClient, community: Engine, batches: object) -> None:
    body = json.dumps({"batches": batches})
    answer = client.post("/api/v1/readings", data=body, content_type="application/json")
    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 200:
        assert answer.json is not None
        assert {each["status"] for each in answer.json["results"]} <= {"refused"}
    with reading(community) as connection:
        assert connection.execute(select(func.count()).select_from(core_table(ReadingRow))).scalar() == 0


@SHARED
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_of_any_kind_are_refused_as_a_whole(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/api/v1/readings", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert answer.content_type == "application/problem+json"
