"""Fields: the numbers and texts that messages are made of (section 1)."""

from __future__ import annotations

import struct

from violation import BadField, BadLength

U32_MAX = 0xFFFF_FFFF


def pack_text(text: str, size: int) -> bytes:
    """Write text(size): printable ASCII, a NUL, and NULs behind it (section 1)."""
    if len(text) >= size:
        raise ValueError(f"text of {len(text)} characters does not fit text({size})")
    if any(not " " <= character <= "~" for character in text):
        raise ValueError("text has characters that are not printable ASCII")
    return text.encode("ascii").ljust(size, b"\0")


def unpack_text(field: bytes) -> str:
    """Read text(n), n being the length of the field, up to its first NUL (section 1).

    Characters that are not printable ASCII are not trusted: each becomes a question mark.
    """
    if field[-1] != 0:
        raise BadField(f"text({len(field)}) does not end with NUL")
    characters = field[: field.index(0)]
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else "?" for byte in characters)


def unpack_u32(payload: bytes) -> tuple[int, ...]:
    """Read a payload that is nothing but u32 numbers."""
    return struct.unpack(f"<{len(payload) // 4}I", payload)


def expect_length(what: str, payload: bytes, length: int) -> None:
    """Refuse a payload that has not exactly the given length in bytes (section 5)."""
    if len(payload) != length:
        raise BadLength(f"{what} has {len(payload)} bytes, not {length}")


def expect_at_least(what: str, payload: bytes, length: int) -> None:
    """Refuse a payload that is shorter than its fixed part in bytes (section 3)."""
    if len(payload) < length:
        raise BadLength(f"{what} has {len(payload)} bytes, fewer than its {length} fixed ones")


def check_endpoint(address: int) -> None:
    """Refuse an endpoint address with one of the bits 6 to 4 (section 1)."""
    if address & 0x70:
        raise BadField(f"endpoint address {address:#04x} has one of the bits 6 to 4")
