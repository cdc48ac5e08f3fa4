"""What an answer must look like before anyone reads it.

pymodbus matches transaction id and unit but not function code or length, accepts transaction id 0 for any request, and
takes the first frame that decodes out of noise. A reply to an earlier request must never become the value of this one,
so every frame is compared with the request that is under way.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

MBAP_LENGTH = 7
EXCEPTION_BIT = 0x80
PROTOCOL_AND_LENGTH = re.compile(rb"\x00\x00\x00[\x03-\xfe]")
"""After a transaction id: protocol 0, and a length, which is never above 254."""


class Verdict(Enum):
    """Whether received bytes may go on to be decoded."""

    FINE = auto()
    INCOMPLETE = auto()
    WRONG = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The only answer that fits the request under way; `registers` is None for a write, which is echoed.

    earlier  transaction ids of requests before this one, answers to which may still come
    """

    unit: int
    function_code: int
    registers: int | None
    transaction: int
    earlier: tuple[int, ...] = ()

    @property
    def pdu_length(self) -> int:
        return 5 if self.registers is None else 2 + 2 * self.registers

    def tcp(self, data: bytes, seen: int = 0) -> Verdict:
        """Judge Modbus TCP frames: earlier transactions are skipped, anything else must fit exactly.

        What was cut off must not be completed by another frame, and this framing has no checksum that would tell. So no
        frame may begin inside the answer, and what follows it must be whole frames.

        seen  how many of the bytes were there when they were judged before
        """
        start = 0
        while len(data) - start > MBAP_LENGTH:
            transaction, protocol = int.from_bytes(data[start : start + 2], "big"), data[start + 2 : start + 4]
            length = int.from_bytes(data[start + 4 : start + 6], "big")
            if any(protocol) or transaction == 0 or length < 3:
                return Verdict.WRONG
            end = start + MBAP_LENGTH - 1 + length
            if transaction != self.transaction or data[start + 6] != self.unit:
                # A late answer, or another unit's: pymodbus skips it, what follows is judged.
                start = end
                continue
            if start < seen < end and (len(data) > end or _is_frame(data[seen:])):
                return Verdict.WRONG
            if self._holds_a_frame(data[start + MBAP_LENGTH : end]) or not _are_frames(data[end:]):
                return Verdict.WRONG
            return self._pdu(data[start + MBAP_LENGTH :], announced=length - 1)
        return Verdict.INCOMPLETE

    def _holds_a_frame(self, pdu: bytes) -> bool:
        """Whether another frame begins inside these bytes.

        It does where the transaction id is one of ours, or where function, unit and both lengths fit what is left:
        registers that look like that by chance do so for one transaction id, or for no device there is.
        """
        for header in PROTOCOL_AND_LENGTH.finditer(pdu, 2):
            transaction, rest = int.from_bytes(pdu[header.start() - 2 : header.start()], "big"), pdu[header.end() :]
            if transaction == self.transaction or transaction in self.earlier:
                return True
            fits = len(rest) == pdu[header.end() - 1] and rest[0] == self.unit
            if fits and _is_answer(rest[1:], self.function_code):
                return True
        return False

    def rtu(self, data: bytes) -> Verdict:
        """Judge an RTU frame: it starts with the unit and function asked for and has the length asked for."""
        if data[0] != self.unit:
            return Verdict.WRONG
        return self._pdu(data[1:], announced=None)

    def _pdu(self, pdu: bytes, *, announced: int | None) -> Verdict:
        if not pdu:
            return Verdict.INCOMPLETE
        if pdu[0] == self.function_code | EXCEPTION_BIT:
            return Verdict.FINE if announced in {None, 2} else Verdict.WRONG
        if pdu[0] != self.function_code or announced not in {None, self.pdu_length}:
            return Verdict.WRONG
        if self.registers is None:
            return Verdict.FINE
        if len(pdu) < 2:
            return Verdict.INCOMPLETE
        return Verdict.FINE if pdu[1] == 2 * self.registers else Verdict.WRONG


def _is_answer(pdu: bytes, function_code: int) -> bool:
    """Whether a PDU is an exception, or the answer to a read, as far as its lengths tell."""
    if pdu[0] == function_code | EXCEPTION_BIT:
        return len(pdu) == 2
    return pdu[0] == function_code and len(pdu) == 2 + pdu[1]


def _are_frames(data: bytes) -> bool:
    """Whether bytes are nothing, or whole Modbus TCP frames."""
    while data:
        length = int.from_bytes(data[4:6], "big")
        if len(data) <= MBAP_LENGTH or any(data[2:4]) or not 3 <= length <= len(data) - 6:
            return False
        data = data[6 + length :]
    return True


def _is_frame(data: bytes) -> bool:
    """Whether bytes look like one whole Modbus TCP frame."""
    return len(data) > MBAP_LENGTH and not any(data[2:4]) and int.from_bytes(data[4:6], "big") == len(data) - 6
