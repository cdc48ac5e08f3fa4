"""Where a member's energy came from: the same figures on the page, in the statement, in the API and on the chain."""

import html
import re

import pytest
from apiflask import APIFlask
from sqlalchemy import select

from app.energy_origin import Certification, origin_of
from app.local_time import LocalMonth
from app.storage.database import reading
from app.storage.store.settlement import ALLOCATIONS
from app.web.charts.shares_bar import GAP, shares_bar
from contracts.certificates import Source
from contracts.explorer import certificate_supplies
from contracts.rpc import read_only_dispatch
from contracts.rpc_client import dispatched_rpc
from tests.app.certified_street import certified_street
from tests.app.community_day import HOMES, ZONE, CommunityDay
from tests.app.street_server import application, chain_of, member

JUNE = LocalMonth.parse("2016-06", ZONE)


@pytest.fixture(scope="module")
def certified(street: CommunityDay, tmp_path_factory: pytest.TempPathFactory) -> CommunityDay:
    return certified_street(street, tmp_path_factory.mktemp("certified"))


@pytest.fixture(scope="module")
def certified_app(certified: CommunityDay) -> APIFlask:
    return application(certified)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def kwh(wh: int) -> str:
    return f"{wh / 1000:.3f}"


def test_members_shares_add_up_to_what_the_chain_retired_and_never_to_more_than_they_bought(
    certified: CommunityDay,
) -> None:
    rpc = dispatched_rpc(lambda request: read_only_dispatch(chain_of(certified.chain), request))
    engine = certified.open()
    with reading(engine) as connection:
        origins = {home: origin_of(connection, home, JUNE) for home in HOMES}
        bought = {
            home: sum(
                connection.execute(
                    select(ALLOCATIONS.c.bought_wh).where(ALLOCATIONS.c.metering_point_id == f"MP-{home}")
                ).scalars()
            )
            for home in HOMES
        }
        address = connection.exec_driver_sql("SELECT certificates_address FROM community").scalar_one()
    (supply,) = certificate_supplies(rpc, address)
    assert supply.source is Source.SOLAR
    assert sum(each.certified_wh for each in origins.values()) == supply.retired_wh > 0
    assert sum(each.own_certificates.get(Source.SOLAR, 0) for each in origins.values()) == supply.minted_wh
    for home, each in origins.items():
        assert each.certification is Certification.DONE
        assert each.certified_wh <= each.from_neighbours_wh == bought[home]
        assert each.community_certified == {Source.SOLAR: supply.metered_wh}
        assert each.community_retired == {Source.SOLAR: supply.retired_wh}


def test_page_statement_and_api_say_the_same(certified_app: APIFlask, certified: CommunityDay) -> None:
    with reading(certified.open()) as connection:
        own = origin_of(connection, "M02", JUNE)
    client = member(certified_app, "M02")
    page = words(client.get("/statements/2016-06/origin").text)
    assert f"Neighbours' solar {kwh(own.certified_wh)}" in page
    assert f"Neighbours, without certificate {kwh(own.uncertified_wh)}" in page
    assert f"Your supplier {kwh(own.from_supplier_wh)}" in page
    assert f"Came in {kwh(own.drawn_wh)}" in page
    assert "In the ledger" in page
    statement = client.get("/statements/2016-06").text
    assert 'href="/statements/2016-06/origin"' in statement
    assert "Certificates retired" in words(statement)
    assert client.get("/api/v1/statements/2016-06/origin").json == {
        "month": "2016-06",
        "from_neighbours_wh": own.from_neighbours_wh,
        "from_supplier_wh": own.from_supplier_wh,
        "to_neighbours_wh": own.to_neighbours_wh,
        "to_supplier_wh": own.to_supplier_wh,
        "certification": "done",
        "certified_wh": {"solar": own.certified_wh},
        "own_certificates_wh": {},
        "community_certified_wh": {"solar": own.community_certified[Source.SOLAR]},
        "community_retired_wh": {"solar": own.community_retired[Source.SOLAR]},
    }


def test_before_the_final_run_the_page_says_when_certificates_follow(street_app: APIFlask) -> None:
    client = member(street_app, "M02")
    page = words(client.get("/statements/2016-06/origin").text)
    assert "No certificates yet" in page
    assert "Neighbours, without certificate" in page
    assert client.get("/api/v1/statements/2016-06/origin").json["certification"] == "awaited"
    empty = words(client.get("/statements/2016-05/origin").text)
    assert "Nothing came in that was settled" in empty
    assert "No certificates yet" in words(client.get("/explorer").text)


def test_there_is_no_origin_of_months_that_are_none(street_app: APIFlask) -> None:
    client = member(street_app, "M02")
    for month in ("2016-13", "June", "2016-07", "0001-01"):
        assert client.get(f"/statements/{month}/origin").status_code == 404
    for month in ("2016-13", "June", "0001-01", "9999-12"):
        assert client.get(f"/api/v1/statements/{month}/origin").status_code == 404


def test_everybody_sees_how_much_is_certified_and_reads_what_was_done(certified_app: APIFlask) -> None:
    page = words(certified_app.test_client().get("/explorer").text)
    assert "Certificates of energy" in page
    assert "Neighbours' solar" in page
    for said in (
        r"A plant joined those whose energy is certified here\.",
        r"What plants generated in \d+ intervals was written down\.",
        r"Certificates were issued for \d+ intervals\.",
        r"Certificates of \d+ intervals were retired for what members consumed\.",
    ):
        assert re.search(said, page), said
    assert "no words for" not in page


def test_pieces_of_a_bar_fill_it_in_proportion() -> None:
    sun, supplier = shares_bar([("sun", 300), ("neighbour", 0), ("supplier", 100)])
    assert sun.width == pytest.approx(3 * supplier.width)
    assert supplier.x == pytest.approx(sun.width + GAP)
    assert supplier.x + supplier.width == pytest.approx(1000)
    assert shares_bar([("sun", 0)]) == ()
