"""Profiles: every table can be read, shows what it says, and is verified only with two sources and no doubt."""

import pytest

from meters.decoding import decode, encode
from meters.profile import ProfileError, load_profile, load_profiles, parse_profile, profile_names

TABLE = """
[meter]
vendor = "V"
model = "M"
role = "meter"
phases = 1
function_codes = [4]
word_order = "big"
max_registers = 60
max_gap = 8
[sources]
manual = "manual, page 7"
program = "another program"
[registers]
energy_import_wh = { address = 72, type = "f32", scale = 1000, sources = ["manual", "program"] }
energy_export_wh = { address = 74, type = "f32", scale = 1000, sources = ["manual", "program"] }
"""
SHIPPED = {
    "eastron_sdm630",
    "eastron_sdm120",
    "eastron_sdm230",
    "abb_b23",
    "carlo_gavazzi_em340",
    "carlo_gavazzi_em24",
    "chint_dtsu666",
    "schneider_iem3155",
    "sunspec_103",
    "sunspec_203",
}


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_shows_every_quantity_as_it_was_given(name):
    profile = load_profile(name)
    for register in profile.registers:
        value = 12_300 if register.is_energy else 51
        factor = None if register.scale_register is None else 0
        assert decode(register, encode(register, value, factor), factor) == pytest.approx(value)
        assert all(source in profile.sources for source in register.sources)


@pytest.mark.parametrize("name", profile_names())
def test_what_a_device_does_not_have_is_no_value_and_never_zero(name):
    for register in load_profile(name).registers:
        factor = None if register.scale_register is None else 0
        absent = decode(register, encode(register, None, factor), factor)
        # SunSpec accumulators have no sentinel: a new meter shows 0 too.
        assert absent is None or (register.word_type.name.startswith("acc") and absent == 0)


def test_the_meters_people_own_are_there():
    assert set(profile_names()) >= SHIPPED
    assert len(profile_names()) >= 25


def test_a_profile_is_verified_when_two_sources_agree_on_its_energy():
    assert parse_profile("x", TABLE).verified
    assert load_profile("eastron_sdm630").verified


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('address = 72, type = "f32", scale = 1000, sources = ["manual", "program"]',
          'address = 72, type = "f32", scale = 1000, sources = ["manual"]'), "only one source"),
        (('sources = ["manual", "program"] }\nenergy_export',
          'sources = ["manual", "program"], doubt = "tariff 1 only" }\nenergy_export'), "tariff 1 only"),
        (("energy_export_wh =", "voltage_l1_v ="), "energy_export_wh is not measured"),
    ],
)  # fmt: skip
def test_a_profile_with_one_source_a_doubt_or_one_direction_is_never_verified(change, problem):
    profile = parse_profile("x", TABLE.replace(*change))
    assert not profile.verified
    assert problem in "; ".join(profile.problems)


@pytest.mark.parametrize("name", ["carlo_gavazzi_em24", "chint_dtsu666", "orno_we516", "orno_we514", "victron_gx_grid"])
def test_conflicting_and_single_sourced_meters_are_not_verified(name):
    assert not load_profile(name).verified


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('type = "f32"', 'type = "f31"'), "unknown type 'f31'"),
        (("energy_import_wh", "energie_wh"), "unknown quantity 'energie_wh'"),
        (('["manual", "program"]', '["manuel"]'), "'manuel' is not in"),
        (("address = 72", "adress = 72"), "'address' is missing"),
        (("max_registers = 60", "max_registers = 600"), "not in 1..125"),
        (('word_order = "big"', 'word_order = "middle"'), "neither 'big' nor 'little'"),
        (("[meter]", "[meter"), "profiles/x.toml"),
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_place(change, message):
    with pytest.raises(ProfileError, match=r"profiles/x\.toml") as error:
        parse_profile("x", TABLE.replace(*change))
    assert message in str(error.value)


def test_a_profile_that_does_not_exist_is_refused():
    with pytest.raises(ProfileError, match="meter profiles"):
        load_profile("eastron_sdm")


def test_sunspec_layouts_have_the_length_of_their_model():
    for profile in load_profiles():
        if profile.sunspec is not None:
            assert profile.sunspec.layout.length == profile.sunspec.length
            assert len(profile.sunspec.layout.absent_words()) == profile.sunspec.length
