"""Which blocks to read for a set of registers: few requests, no split value, distinct lengths where that matters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meters.profile import Register


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One read: `count` registers from `address` with `function_code`, and the values wanted from it."""

    function_code: int
    address: int
    count: int
    registers: tuple[Register, ...]

    @property
    def end(self) -> int:
        return self.address + self.count


def plan(
    registers: Sequence[Register], *, max_registers: int, max_gap: int, distinct_lengths: bool = False
) -> tuple[Block, ...]:
    """Blocks that cover `registers` and their scale factors, energy first.

    max_registers     longest read the device answers
    max_gap           registers nobody wants that may be read along to save a request; 0 reads only what is wanted
    distinct_lengths  give reads of one function code different lengths where the gap allows it: a late reply on RTU
                      framing then cannot be taken for another block's
    """
    blocks: list[Block] = []
    for function_code in sorted({register.function_codes[0] for register in registers}):
        wanted = [register for register in registers if register.function_codes[0] == function_code]
        blocks += _covering(function_code, wanted, max_registers=max_registers, max_gap=max_gap)
    if distinct_lengths:
        blocks = _with_distinct_lengths(blocks, max_registers=max_registers, max_gap=max_gap)
    return tuple(sorted(blocks, key=lambda block: not any(register.is_energy for register in block.registers)))


def split(block: Block) -> tuple[Block, ...]:
    """Smaller blocks for one that a device refused: first without gaps, then value by value; () for a single value."""
    if not block.registers:
        return ()
    contiguous = _covering(block.function_code, block.registers, max_registers=block.count, max_gap=0)
    if len(contiguous) > 1 or contiguous[0].count < block.count:
        return tuple(contiguous)
    if len(block.registers) == 1:
        return ()
    return tuple(
        part for register in block.registers for part in _covering(block.function_code, [register], max_registers=125)
    )


def _covering(
    function_code: int, registers: Sequence[Register], *, max_registers: int, max_gap: int = 0
) -> list[Block]:
    blocks: list[Block] = []
    for start, end, register in sorted(_spans(registers), key=lambda span: span[:2]):
        last = blocks[-1] if blocks else None
        if last is not None and start - last.end <= max_gap and max(end, last.end) - last.address <= max_registers:
            also = (register,) if register is not None else ()
            blocks[-1] = replace(last, count=max(end, last.end) - last.address, registers=(*last.registers, *also))
        else:
            wanted = (register,) if register is not None else ()
            blocks.append(Block(function_code=function_code, address=start, count=end - start, registers=wanted))
    return blocks


def _spans(registers: Sequence[Register]) -> list[tuple[int, int, Register | None]]:
    """Every value and every scale factor once, as [start, end)."""
    values: list[tuple[int, int, Register | None]] = [
        (register.address, register.end, register) for register in registers
    ]
    factors = {register.scale_register for register in registers if register.scale_register is not None}
    return values + [(factor, factor + 1, None) for factor in factors]


def _with_distinct_lengths(blocks: list[Block], *, max_registers: int, max_gap: int) -> list[Block]:
    used: set[tuple[int, int]] = set()
    result = []
    for block in blocks:
        longest = min(max_registers, block.count + max_gap)
        free = (count for count in range(block.count, longest + 1) if (block.function_code, count) not in used)
        count = next(free, block.count)
        used.add((block.function_code, count))
        result.append(replace(block, count=count))
    return result
