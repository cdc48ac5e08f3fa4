"""Registers to quantities and back: scale, sign, plausible range, and energy in exact milliwatt-hours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from meters.profile import Register
from meters.words import float32_step, raw_value, words_of

Number = int | float

SCALE_FACTOR_RANGE = range(-10, 11)
"""SunSpec scale factors are powers of ten between these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """A cumulative register: exact milliwatt-hours, and the step of the counter that showed them."""

    mwh: int
    step_mwh: int

    @property
    def wh(self) -> Number:
        """Wh with the counter's resolution: as many decimals as a step can tell apart."""
        decimals = max(0, math.floor(3 - math.log10(self.step_mwh)))
        return round(self.mwh / 1000, decimals) if decimals else (self.mwh + 500) // 1000


def decode_energy(register: Register, words: Sequence[int], scale_factor: int | None) -> Energy | None:
    """A counter in exact milliwatt-hours, or None where the registers hold no plausible value."""
    raw = raw_value(register.word_type, words, register.word_order)
    if raw is None or (register.scale_register is not None and scale_factor not in SCALE_FACTOR_RANGE):
        return None
    if register.absolute:
        raw = abs(raw)
    if isinstance(raw, float):
        scale_mwh = register.scale * 1000 * 10.0 ** (scale_factor or 0)
        # A float32 counter steps by its own precision; for float64 that is far below a milliwatt-hour.
        step = float32_step(raw) * scale_mwh if register.word_type.registers == 2 else 0.0
        energy = Energy(mwh=round(raw * scale_mwh), step_mwh=max(1, math.ceil(step)))
    else:
        numerator, denominator = _scale_mwh(register.scale, scale_factor or 0)
        energy = Energy(mwh=raw * numerator // denominator, step_mwh=max(1, numerator // denominator))
    return energy if register.minimum <= energy.mwh / 1000 <= register.maximum else None


def _scale_mwh(scale: Number, scale_factor: int) -> tuple[int, int]:
    """Milliwatt-hours per count as a fraction of integers."""
    exponent = scale_factor + 3
    whole = int(scale)
    assert whole == scale, "counters have a scale of whole Wh"
    return (whole * 10**exponent, 1) if exponent >= 0 else (whole, 10**-exponent)


def decode(register: Register, words: Sequence[int], scale_factor: int | None) -> Number | None:
    """A quantity in its unit, or None where the registers hold no plausible value."""
    if register.is_energy:
        energy = decode_energy(register, words, scale_factor)
        return None if energy is None else energy.wh
    raw = raw_value(register.word_type, words, register.word_order)
    if raw is None or (register.scale_register is not None and scale_factor not in SCALE_FACTOR_RANGE):
        return None
    value = _tidy(register, raw * register.scale * 10.0 ** (scale_factor or 0))
    return value if register.minimum <= value <= register.maximum else None


def _tidy(register: Register, value: float) -> Number:
    """Drop the digits that the register does not have."""
    value = float(f"{value:.7g}") if register.word_type.name == "f32" else round(value, 6)
    return int(value) if value == int(value) and not register.word_type.is_float else value + 0.0


def encode(register: Register, value: Number | None, scale_factor: int | None) -> list[int]:
    """The words with which a device of this kind shows `value`; counters show whole steps and roll over."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return words_of(register.word_type, None, register.word_order)
    if register.word_type.is_float:
        return words_of(register.word_type, value / register.scale, register.word_order)
    if register.is_energy:
        numerator, denominator = _scale_mwh(register.scale, scale_factor or 0)
        raw = round(value * 1000) * denominator // numerator
        if register.counter_bits is not None:
            raw %= 1 << register.counter_bits
    else:
        raw = round(value / register.scale / 10.0 ** (scale_factor or 0))
    return words_of(register.word_type, raw, register.word_order)
