"""Block reads: everything is covered once, nothing is split, gaps are bridged only where that is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.planner import plan, split
from meters.profile import Register, load_profile, load_profiles
from meters.words import WORD_TYPES


def planned(profile, **options):
    return plan(profile.registers, max_registers=profile.max_registers, max_gap=profile.max_gap, **options)


def test_an_sdm630_is_read_in_one_block_and_its_energy_in_one_of_four_registers():
    profile = load_profile("eastron_sdm630")
    (block,) = planned(profile)
    assert (block.function_code, block.address, block.count) == (4, 0, 76)
    (energy,) = plan(profile.energy_registers, max_registers=80, max_gap=80)
    assert (energy.address, energy.count) == (72, 4)


@pytest.mark.parametrize("profile", load_profiles(), ids=lambda profile: profile.name)
def test_every_register_is_read_whole_and_no_read_is_too_long(profile):
    blocks = planned(profile)
    assert all(block.count <= profile.max_registers for block in blocks)
    for register in profile.registers:
        homes = [block for block in blocks if register in block.registers]
        assert len(homes) == 1
        assert homes[0].address <= register.address
        assert register.end <= homes[0].end
        if register.scale_register is not None:
            assert any(block.address <= register.scale_register < block.end for block in blocks)


def test_energy_is_read_first():
    blocks = planned(load_profile("carlo_gavazzi_em340"))
    assert len(blocks) > 1
    assert any(register.is_energy for register in blocks[0].registers)
    assert not any(register.is_energy for register in blocks[-1].registers)


def test_blocks_get_different_lengths_where_a_late_answer_could_be_mistaken():
    profile = load_profile("janitza_umg96rm")
    alike = plan(profile.registers, max_registers=4, max_gap=8)
    assert len({block.count for block in alike}) < len(alike)
    distinct = plan(profile.registers, max_registers=40, max_gap=4, distinct_lengths=True)
    assert len({block.count for block in distinct}) == len(distinct)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["u16", "f32", "u64"])), min_size=1, max_size=20),
    st.integers(4, 125),
    st.integers(0, 50),
)
def test_any_map_is_covered_without_reading_more_than_the_gaps(points, max_registers, max_gap):
    registers = [register_at(address, kind) for address, kind in dict(points).items()]
    blocks = plan(registers, max_registers=max_registers, max_gap=max_gap)
    wanted = {address for register in registers for address in range(register.address, register.end)}
    read = [address for block in blocks for address in range(block.address, block.end)]
    assert wanted <= set(read)
    assert all(block.count <= max(max_registers, 4) for block in blocks)
    if max_gap == 0:
        assert set(read) == wanted


def register_at(address: int, kind: str) -> Register:
    return Register(
        quantity="voltage_l1_v", function_codes=(3,), address=address, word_type=WORD_TYPES[kind], word_order="big",
        scale=1, scale_register=None, minimum=0, maximum=1, counter_bits=None, absolute=False, sources=(), doubt="",
        note="",
    )  # fmt: skip


def test_a_refused_block_is_split_at_its_gaps_then_value_by_value_then_given_up():
    profile = load_profile("eastron_sdm630")
    (block,) = planned(profile)
    runs = split(block)
    assert [(run.address, run.count) for run in runs] == [(0, 12), (52, 2), (70, 6)]
    assert [(part.address, part.count) for part in split(runs[2])] == [(70, 2), (72, 2), (74, 2)]
    assert split(split(runs[2])[0]) == ()
