"""One meter on a bus: from a profile to a reading."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from meters.answer import Answer, DeviceRefusedError
from meters.bus import Bus
from meters.decoding import Energy, Number, decode, decode_energy
from meters.interval import Quality
from meters.planner import Block, plan, split
from meters.profile import Profile, Register
from meters.reading import MeterReading
from meters.sunspec import find, identity, signed, walk

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


class ModelMissingError(Exception):
    """A SunSpec device without the model its profile reads."""


class MeterReader:
    """Reads the device `device_id` on `bus` as its profile says.

    Blocks that the device refuses are split and remembered; a value it refuses on its own is None from then on.
    """

    def __init__(self, profile: Profile, bus: Bus, device_id: int) -> None:
        self.profile = profile
        self.device_id = device_id
        self._bus = bus
        self._plans: dict[bool, tuple[Block, ...]] = {}
        self._base = 0
        self._identity = ""
        self._identity_changed = False
        self._known = profile.sunspec is None

    async def read(self, *, energy_only: bool = False, insist: bool = False) -> MeterReading:
        """Read everything, or the energy registers alone (one short block).

        insist  ask even if the device was silent lately.
        Raises BusError if there is no certain answer, ModelMissingError, SunSpecError.
        """
        if not self._known:
            await self._discover()
        answers = await self._read_blocks(energy_only=energy_only, insist=insist)
        words = {address: word for block, answer in answers for address, word in _numbered(block, answer)}
        registers = self.profile.energy_registers if energy_only else self.profile.registers
        return self._reading(registers, words, answers)

    def forget_identity(self) -> None:
        """Find the SunSpec models again and compare who answers, before the next reading."""
        self._known = self.profile.sunspec is None

    def accept_identity(self) -> None:
        """Whoever answers now is taken for granted from here on."""
        self._identity_changed = False

    async def _discover(self) -> None:
        assert self.profile.sunspec is not None
        models = await walk(self._read_registers)
        model = find(models, self.profile.sunspec.model)
        if model is None:
            numbers = ", ".join(str(found.number) for found in models)
            raise ModelMissingError(
                f"{self._bus.address} unit {self.device_id}: no SunSpec model {self.profile.sunspec.model}; "
                f"it has {numbers}: `commonwatt meter scan` shows which profile fits"
            )
        self._base = model.address
        who = str(await identity(self._read_registers, models) or "")
        self._identity_changed = bool(self._identity) and who != self._identity
        self._identity, self._known, self._plans = who, True, {}

    async def _read_registers(self, address: int, count: int) -> Sequence[int]:
        return (await self._bus.read(self.device_id, 3, address, count)).words

    async def _read_blocks(self, *, energy_only: bool, insist: bool) -> list[tuple[Block, Answer]]:
        answers: list[tuple[Block, Answer]] = []
        waiting = list(self._blocks(energy_only=energy_only))
        refused = False
        while waiting:
            block = waiting.pop(0)
            address = self._base + block.address
            try:
                answer = await self._bus.read(self.device_id, block.function_code, address, block.count, insist=insist)
            except DeviceRefusedError as error:
                if error.code not in {ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE}:
                    raise
                refused, last_refusal = True, error
                waiting = [*split(block), *waiting]
            else:
                answers.append((block, answer))
        if refused and not answers:
            raise last_refusal
        if refused and self._covers_energy(answers):
            self._plans[energy_only] = tuple(block for block, _ in answers)
        return answers

    def _covers_energy(self, answers: Sequence[tuple[Block, Answer]]) -> bool:
        """Whether nothing that matters was refused: a passing refusal of a counter must not be remembered."""
        read = {register.quantity for block, _ in answers for register in block.registers}
        return all(register.quantity in read for register in self.profile.energy_registers)

    def _blocks(self, *, energy_only: bool) -> tuple[Block, ...]:
        if energy_only not in self._plans:
            self._plans[energy_only] = plan(
                self.profile.energy_registers if energy_only else self.profile.registers,
                max_registers=self.profile.max_registers,
                max_gap=self.profile.max_gap,
                distinct_lengths=self._bus.address.is_rtu_framed,
            )
        return self._plans[energy_only]

    def _reading(
        self, registers: Sequence[Register], words: Mapping[int, int], answers: Sequence[tuple[Block, Answer]]
    ) -> MeterReading:
        values: dict[str, Number | None] = {}
        energy: dict[str, Energy] = {}
        for register in registers:
            values[register.quantity] = None
            taken = _taken(register, words)
            if taken is None:
                continue
            values[register.quantity] = decode(register, *taken)
            counter = decode_energy(register, *taken) if register.is_energy else None
            if counter is not None:
                energy[register.quantity] = counter
        values |= {quantity: _signed_sum(values, terms) for quantity, terms in self._derived(values).items()}
        findings = tuple(f"{quantity}: no certain value" for quantity, value in values.items() if value is None)
        if self._identity_changed:
            findings = (f"another device answers: {self._identity}", *findings)
        first = answers[0][1]
        return MeterReading(
            profile=self.profile.name,
            device_id=self.device_id,
            read_at=first.at,
            uncertainty=max((answer.uncertainty for _, answer in answers), default=timedelta()),
            quality=Quality.PROVISIONAL if findings else Quality.MEASURED,
            values=values,
            energy=energy,
            findings=findings,
            identity=self._identity,
            identity_changed=self._identity_changed,
        )

    def _derived(self, values: Mapping[str, Number | None]) -> dict[str, tuple[str, ...]]:
        """The derived quantities whose terms were all asked for."""
        return {
            quantity: terms
            for quantity, terms in self.profile.derived.items()
            if all(term[1:] in values for term in terms)
        }


def _numbered(block: Block, answer: Answer) -> Iterator[tuple[int, int]]:
    return zip(range(block.address, block.end), answer.words, strict=True)


def _taken(register: Register, words: Mapping[int, int]) -> tuple[tuple[int, ...], int | None] | None:
    """The register's words and its scale factor, or None if one of them was not to be had."""
    taken = tuple(words[address] for address in range(register.address, register.end) if address in words)
    if len(taken) != register.count:
        return None
    if register.scale_register is None:
        return taken, None
    return (taken, signed(words[register.scale_register])) if register.scale_register in words else None


def _signed_sum(values: Mapping[str, Number | None], terms: Sequence[str]) -> Number | None:
    total: Number = 0
    for term in terms:
        value = values[term[1:]]
        if value is None:
            return None
        total += value if term[0] == "+" else -value
    return total
