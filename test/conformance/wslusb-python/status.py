"""Status numbers: one space for transfers, devices and connections (section 6)."""

from __future__ import annotations

from enum import IntEnum

FIRST_DEVICE_STATUS = 32
"""Numbers below it say how a transfer ended (section 6)."""


class Status(IntEnum):
    """Every status that version 2 names (section 6)."""

    OK = 0
    STALL = 1
    CANCELLED = 2
    DISCONNECTED = 3
    OVERFLOW = 4
    SHORT = 5
    TIMEOUT = 6
    PROTOCOL = 7
    CRC = 8
    UNDERRUN = 9
    OVERRUN = 10
    INVALID = 11
    NO_MEMORY = 12
    NOT_DONE = 13

    NOT_FOUND = 32
    BUSY = 33
    DENIED = 34
    FAILED = 35
    TOO_MANY = 36

    ENDED = 64
    BAD_VERSION = 65
    BAD_COMMAND = 66
    BAD_FIELD = 67
    BAD_LENGTH = 68
    BAD_DEVICE = 69
    DUPLICATE_SEQNUM = 70
    UNKNOWN_SEQNUM = 71
    FLOOD = 72
    PEER_NOT_READING = 73
    PEER_SILENT = 74
    HANDSHAKE_TIMEOUT = 75


def transfer_status(number: int) -> Status:
    """Return the status of a transfer; an unknown one is PROTOCOL (section 6).

    The caller has checked that the number is below 32 (section 5.7).
    """
    try:
        return Status(number)
    except ValueError:
        return Status.PROTOCOL


def device_status(number: int) -> Status:
    """Return the status of a device; an unknown one is FAILED (sections 5.4 and 6)."""
    try:
        return Status(number)
    except ValueError:
        return Status.FAILED


def status_name(number: int) -> str:
    """Return the name of a status, or its number if version 2 has no name for it."""
    try:
        return Status(number).name
    except ValueError:
        return str(number)
