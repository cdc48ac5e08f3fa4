"""Words to values, by hand: word order, scale, resolution, and everything that is no value."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.decoding import decode, decode_energy, encode
from meters.profile import load_profile
from meters.words import WORD_TYPES, float32_step, raw_value

SDM630_IMPORT = load_profile("eastron_sdm630").register("energy_import_wh")
SDM630_VOLTAGE = load_profile("eastron_sdm630").register("voltage_l1_v")
ABB_IMPORT = load_profile("abb_b23").register("energy_import_wh")
EM340_VOLTAGE = load_profile("carlo_gavazzi_em340").register("voltage_l1_v")
SUNSPEC_IMPORT = load_profile("sunspec_203").register("energy_import_wh")
HUAWEI_EXPORT = load_profile("huawei_sun2000_meter").register("energy_export_wh")


def float32_words(value: float) -> tuple[int, int]:
    return struct.unpack(">2H", struct.pack(">f", value))


def test_a_float_counter_in_kwh_gives_wh_with_the_counters_resolution():
    # 1234.567 kWh: a float32 of that size steps by 0.12 Wh.
    assert decode(SDM630_IMPORT, float32_words(1234.567), None) == 1_234_567
    assert decode_energy(SDM630_IMPORT, float32_words(1234.567), None).step_mwh == 123
    # 89.012 kWh steps by 0.0076 Wh.
    assert decode(SDM630_IMPORT, float32_words(89.012), None) == 89_012.0


def test_an_integer_counter_is_exact():
    # 0x0000_0000_0012_D687 = 1 234 567 counts of 10 Wh
    energy = decode_energy(ABB_IMPORT, (0, 0, 0x12, 0xD687), None)
    assert (energy.mwh, energy.step_mwh, energy.wh) == (12_345_670_000, 10_000, 12_345_670)


def test_a_scale_factor_moves_the_decimal_point():
    assert decode(SUNSPEC_IMPORT, (0, 1234), -1) == 123.4
    assert decode(SUNSPEC_IMPORT, (0, 1234), 2) == 123_400


@pytest.mark.parametrize("factor", [-0x8000, 40])
def test_a_scale_factor_that_is_none_makes_no_value(factor):
    assert decode(SUNSPEC_IMPORT, (0, 1234), factor) is None


def test_the_least_significant_word_comes_first_where_the_profile_says_so():
    # 230.1 V as 2301 tenths: low word first
    assert decode(EM340_VOLTAGE, (2301, 0), None) == 230.1
    assert decode(EM340_VOLTAGE, (0, 2301), None) is None


@pytest.mark.parametrize("value", [1.0, 12.5, 1234.567, 56_789.1])
def test_the_wrong_word_order_is_noticed(value):
    high, low = float32_words(value)
    assert decode(SDM630_IMPORT, (low, high), None) != pytest.approx(value * 1000)
    if low:
        assert decode(SDM630_IMPORT, (low, high), None) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e-40, -5.0, 3e9])
def test_a_counter_that_cannot_be_is_no_value(value):
    assert decode(SDM630_IMPORT, float32_words(value), None) is None


def test_a_voltage_outside_its_range_is_rejected_and_not_clamped():
    assert decode(SDM630_VOLTAGE, float32_words(231.4), None) == 231.4
    assert decode(SDM630_VOLTAGE, float32_words(1000.5), None) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("u16", (0xFFFF,)),
        ("s16", (0x8000,)),
        ("s16", (0x7FFF,)),
        ("u32", (0xFFFF, 0xFFFF)),
        ("s32", (0x8000, 0)),
        ("s32", (0x7FFF, 0xFFFF)),
        ("u64", (0xFFFF,) * 4),
        ("f32", (0x7FC0, 0)),
    ],
)
def test_sentinels_are_no_value(name, words):
    assert raw_value(WORD_TYPES[name], words, "big") is None


def test_a_register_without_a_sign_is_taken_as_its_absolute_value():
    minus_250 = struct.unpack(">2H", struct.pack(">i", -250))
    assert decode(HUAWEI_EXPORT, minus_250, None) == 2500


def test_a_counter_rolls_over_at_its_documented_width():
    assert encode(SUNSPEC_IMPORT, 2**32 + 7, 0) == [0, 7]


@given(st.integers(min_value=0, max_value=2**33))
def test_an_integer_counter_shows_whole_steps(wh):
    assert decode(ABB_IMPORT, encode(ABB_IMPORT, wh, None), None) == wh // 10 * 10


@given(st.floats(min_value=0.0009765625, max_value=2.0**23, width=32))
def test_a_float_counter_is_within_half_its_step(kwh):
    energy = decode_energy(SDM630_IMPORT, encode(SDM630_IMPORT, kwh * 1000, None), None)
    assert abs(energy.mwh - kwh * 1e6) <= max(1, float32_step(kwh) * 1e6)
    assert abs(energy.wh * 1000 - energy.mwh) <= max(1, 5 * energy.step_mwh)
