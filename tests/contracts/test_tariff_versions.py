"""A tariff is read strictly, says what is wrong, and holds from its instant on."""

import json

import pytest

from contracts.tariff import LOCALITY_FACTS, Tariff, TariffError, TariffSchedule, VatClass
from meters.interval import DeliveryInterval

DEFAULT = Tariff(version="2016-1")


def test_a_tariff_survives_json() -> None:
    assert Tariff.from_json(json.dumps(DEFAULT.to_json())) == DEFAULT
    assert Tariff.from_json(DEFAULT.to_json()).digest() == DEFAULT.digest()


def test_shared_energy_pays_the_reduced_grid_fee() -> None:
    assert DEFAULT.shared_grid_fee_micro_per_kwh == 32_250
    assert DEFAULT.shared_levies_micro_per_kwh == 15_000
    assert DEFAULT.shared_charges_micro_per_kwh == 52_250
    assert DEFAULT.supplied_charges_micro_per_kwh == 90_000


def test_a_discounted_rate_is_floored_in_the_members_favour() -> None:
    tariff = Tariff(
        version="x", grid_fee_micro_per_kwh=101, levies_micro_per_kwh=99, levies_locality_discount_percent=50
    )
    assert tariff.shared_grid_fee_micro_per_kwh == 43
    assert tariff.shared_levies_micro_per_kwh == 49


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid_fee_micro_per_kwh": -1}, "tariff.grid_fee_micro_per_kwh: is -1: use 0 to 10000000"),
        ({"grid_fee_micro_per_kwh": 7.5}, "tariff.grid_fee_micro_per_kwh: is 7.5, not an integer"),
        ({"levies_micro_per_kwh": True}, "tariff.levies_micro_per_kwh: is True, not an integer"),
        ({"grid_fee_locality_discount_percent": 101}, "is 101: use 0 to 100"),
        ({"deviation_permille": 1_001}, "is 1001: use 0 to 1000"),
        ({"currency": "euro"}, "tariff.currency: is 'euro': use a three-letter code such as EUR"),
        ({"version": ""}, "tariff.version: is empty"),
        ({"version": 3}, "tariff.version: is 3, not a text"),
        ({"vat": {}}, "tariff.vat: has no class"),
        ({"vat": {"private": {"buying_permille": 200}}}, "tariff.vat.private.selling_permille: is missing"),
        ({"vat": {"private": 20}}, "tariff.vat.private: is not an object"),
        ({"vat_permille": 200}, "tariff.vat_permille: is unknown here"),
    ],
)
def test_a_wrong_component_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(TariffError) as refused:
        Tariff.from_json(DEFAULT.to_json() | change)
    assert message in str(refused.value)


def test_a_missing_component_is_named() -> None:
    document = DEFAULT.to_json()
    del document["levies_micro_per_kwh"]
    with pytest.raises(TariffError, match=r"tariff\.levies_micro_per_kwh: is missing"):
        Tariff.from_json(document)


@pytest.mark.parametrize("text", ["", "[]", "7"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(TariffError, match="not a JSON object"):
        Tariff.from_json(text)


def test_a_constructor_is_as_strict_as_json() -> None:
    with pytest.raises(TariffError, match="use 0 to 1000"):
        Tariff(version="x", deviation_permille=-1)
    twice = (VatClass(name="a", buying_permille=1, selling_permille=0),) * 2
    with pytest.raises(TariffError, match="named twice"):
        Tariff(version="x", vat_classes=twice)


def test_the_order_of_vat_classes_does_not_change_a_tariff() -> None:
    assert Tariff(version="x", vat_classes=DEFAULT.vat_classes[::-1]) == Tariff(version="x")


def test_the_version_in_force_is_the_last_that_has_begun() -> None:
    old, new = Tariff(version="old"), Tariff(version="new")
    schedule = TariffSchedule(versions=((0, old), (900, new)))
    assert schedule.at(DeliveryInterval.at(0)) == old
    assert schedule.at(DeliveryInterval.at(900)) == new
    assert schedule.at(DeliveryInterval.at(90_000)) == new


def test_before_the_first_version_there_is_no_tariff() -> None:
    schedule = TariffSchedule(versions=((900, DEFAULT),))
    with pytest.raises(TariffError, match="no tariff is in force at 1970-01-01T00:00:00"):
        schedule.at(DeliveryInterval.at(0))


@pytest.mark.parametrize("starts", [(), (900, 0), (5, 5)])
def test_a_schedule_ascends(starts: tuple[int, ...]) -> None:
    with pytest.raises(TariffError, match="at least one version"):
        TariffSchedule(versions=tuple((start_s, DEFAULT) for start_s in starts))


def test_discounts_of_countries_are_facts_for_the_operator_to_confirm() -> None:
    assert {(fact.country, fact.discount_percent) for fact in LOCALITY_FACTS} >= {("AT", 57), ("CH", 40), ("DE", 0)}
    assert all("to be confirmed by the operator" in fact.source for fact in LOCALITY_FACTS)
