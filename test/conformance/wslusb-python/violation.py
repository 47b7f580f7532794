"""Violations: what ends a connection, one exception class for each status from 65 on (section 6)."""

from __future__ import annotations

from typing import ClassVar

from status import Status, status_name


class Violation(Exception):
    """The peer broke the protocol, or a limit of it; `status` is what an Error frame says about it."""

    status: ClassVar[Status]


class BadVersion(Violation):
    """No common version, or a first frame that is no Hello (section 5.1)."""

    status = Status.BAD_VERSION


class BadCommand(Violation):
    """A message that does not exist, or not here (section 5)."""

    status = Status.BAD_COMMAND


class BadField(Violation):
    """A field with a value that it cannot have."""

    status = Status.BAD_FIELD


class BadLength(Violation):
    """A length that does not fit."""

    status = Status.BAD_LENGTH


class BadDevice(Violation):
    """A handle that was never given, or one that does not grow (section 5.4)."""

    status = Status.BAD_DEVICE


class DuplicateSeqnum(Violation):
    """A sequence number that is in use (section 4)."""

    status = Status.DUPLICATE_SEQNUM


class UnknownSeqnum(Violation):
    """An answer to nothing (section 4)."""

    status = Status.UNKNOWN_SEQNUM


class Flood(Violation):
    """Bytes beyond the credit (section 9), or too many begun messages (section 3)."""

    status = Status.FLOOD


class PeerSilent(Violation):
    """Nothing came for too long (section 5.10)."""

    status = Status.PEER_SILENT


class PeerError(Exception):
    """The peer ended the connection with an Error frame (section 5.12)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status_name(status)}: {message}")
        self.status = status
        self.message = message


class ConnectionEnded(Exception):
    """The stream ended without an Error frame (section 2)."""
