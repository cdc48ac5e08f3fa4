"""References that people type into bank transfers, with check digits (ISO 11649, "RF creditor reference")."""

BODY_CHARACTERS_MAX = 21
_MODULUS = 97


def creditor_reference(body: str) -> str:
    """RF, two check digits and `body`, which has up to 21 upper-case letters and digits. Raises ValueError."""
    if not 1 <= len(body) <= BODY_CHARACTERS_MAX or not (body.isascii() and body.isalnum() and body == body.upper()):
        raise ValueError(f"{body!r} is no reference: use up to {BODY_CHARACTERS_MAX} upper-case letters and digits")
    return f"RF{98 - _remainder(body + 'RF00'):02d}{body}"


def is_creditor_reference(text: str) -> bool:
    """Whether the check digits hold, so that no two digits were swapped and none was mistyped."""
    body = text[4:]
    return bool(body) and text.isascii() and text.isalnum() and text[:2] == "RF" and _remainder(body + text[:4]) == 1


def _remainder(text: str) -> int:
    """Letters are 10 to 35, the whole is one decimal number."""
    return int("".join(str(int(character, 36)) for character in text)) % _MODULUS
