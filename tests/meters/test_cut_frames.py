"""Modbus TCP has no checksum: an answer that was cut is never completed by what comes behind it."""

import asyncio
import struct
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_device import SlowDevice, serving

from meters.address import BusAddress
from meters.answer import DeviceSilentError
from meters.bus import Bus
from meters.clock import system_clock
from meters.frames import Expectation, Verdict

TRANSACTION, EARLIER, UNIT = 0x0317, (0x0314, 0x0315, 0x0316), 1


def frame(registers: list[int], *, transaction: int = TRANSACTION, unit: int = UNIT, function: int = 3) -> bytes:
    pdu = bytes([function, 2 * len(registers)]) + struct.pack(f">{len(registers)}H", *registers)
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def exception(transaction: int) -> bytes:
    return struct.pack(">HHHBBB", transaction, 0, 3, UNIT, 0x83, 2)


def accepted(sent: list[bytes], count: int) -> set[bytes]:
    """What would be taken as the values of so many registers, whether what was sent arrives bit by bit or together."""
    found = set()
    for waits in product([False, True], repeat=len(sent) - 1):
        expected = Expectation(unit=UNIT, function_code=3, registers=count, transaction=TRANSACTION, earlier=EARLIER)
        data, seen = b"", 0
        for piece, waiting in zip(sent, [*waits, False], strict=True):
            data += piece
            if waiting:
                continue
            verdict, seen = expected.tcp(data, seen), len(data)
            if verdict is Verdict.FINE and len(data) >= 9 + 2 * count:
                found.add(data[9 : 9 + 2 * count])
            if verdict is Verdict.WRONG or len(found) > 0:
                break
    return found


words = st.lists(st.integers(0, 0xFFFF) | st.sampled_from([0, 1, 3, 5, 0x0103]), min_size=1, max_size=20)
frames = st.lists(
    st.one_of(
        st.builds(frame, words, transaction=st.sampled_from([TRANSACTION, *EARLIER])),
        st.builds(exception, st.sampled_from([TRANSACTION, *EARLIER])),
        st.builds(frame, words, transaction=st.integers(1, 0xFFFF)),
    ),
    min_size=1,
    max_size=3,
)


@given(words, frames, st.data())
def test_what_is_cut_and_followed_by_other_frames_is_never_a_value(registers, behind, data):
    whole = frame(registers)
    cut = data.draw(st.integers(1, len(whole) - 1))
    assert accepted([whole[:cut], *behind], len(registers)) == set()


@pytest.mark.parametrize("transaction", [TRANSACTION, EARLIER[0], 0x7777])
@pytest.mark.parametrize("count", range(1, 12))
def test_a_frame_that_fills_the_gap_exactly_is_seen(count, transaction):
    """The worst case: what was cut off is as long as the frame that comes behind, so that every length is right."""
    filler = frame([0x1111] * count, transaction=transaction)
    whole = frame([0x2222] * (len(filler) // 2 + 4))
    # Behind whole registers, or one byte earlier.
    for cut in (len(whole) - len(filler), len(whole) - len(filler) - 1):
        assert accepted([whole[:cut], filler], (len(whole) - 9) // 2) == set()


def test_an_answer_followed_by_its_double_or_by_a_late_one_is_taken():
    whole = frame([7, 8, 9])
    for behind in ([], [whole], [frame([1], transaction=EARLIER[0])], [whole, exception(EARLIER[1])]):
        assert accepted([whole, *behind], 3) == {whole[9:]}


@given(st.lists(st.integers(0, 0xFFFF) | st.sampled_from([0, 3, 5, 0x0103, 0x0383]), min_size=1, max_size=60))
def test_registers_that_look_like_a_header_are_still_read(registers):
    """What a device holds must not make it unreadable: another transaction id, and it is taken."""
    expected = [
        Expectation(unit=UNIT, function_code=3, registers=len(registers), transaction=transaction)
        for transaction in (0x4A01, 0x5B02)
    ]
    seen = [each.tcp(frame(registers, transaction=each.transaction)) for each in expected]
    forged = any(registers[at - 1 : at] == [0] for at in range(1, len(registers)))
    assert Verdict.FINE in seen or forged


def test_over_a_socket_a_cut_answer_with_a_frame_behind_it_brings_no_value_and_the_next_answer_does():
    async def scenario() -> None:
        def change(number: int, answer: bytes) -> bytes:
            if number % 2:
                return answer
            # Cut by as much as the answer to one register has, which follows in the same segment.
            filler = answer[:4] + (5).to_bytes(2, "big") + answer[6:8] + bytes([2, 0xDE, 0xAD])
            return answer[: -len(filler)] + filler

        device = SlowDevice(lambda *_: 0.0, rtu=False, change=change)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.3, attempts=1)
            right, refused = 0, 0
            for start in range(0, 200, 2):
                try:
                    words = (await bus.read(1, 3, start, 20, insist=True)).words
                except DeviceSilentError:
                    refused += 1
                    continue
                assert words == tuple(range(start + 1, start + 21))
                right += 1
            await bus.close()
        assert (right, refused) == (50, 50)

    asyncio.run(scenario())
