"""Examples: the byte tables of section 10, out of the document itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from frame import Side

DOCUMENT = Path(__file__).parents[3] / "docs/protocols/wslusb.md"
TABLE = re.compile(r"^```(\w+)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SENDERS = {"C": Side.CLIENT, "H": Side.HOST}
REPEATED = re.compile(r"([0-9a-f]{2})\*(\d+)")
NAMED_NUMBER = re.compile(r"(\w+(?:\[\d+\])?) (\d+)")
NAMED_TEXT = re.compile(r'(\w+) "(.*)"')


@dataclass(frozen=True)
class Field:
    """A line of a table: its bytes, and what the example says about them."""

    data: bytes
    remark: str

    def number(self) -> tuple[str, int] | None:
        """Return the name and value of a number, if the remark gives them."""
        match = NAMED_NUMBER.match(self.remark)
        return (match[1], int(match[2])) if match else None

    def text(self) -> tuple[str, str] | None:
        """Return the name and value of a text, if the remark gives them."""
        match = NAMED_TEXT.fullmatch(self.remark)
        return (match[1], match[2]) if match else None


@dataclass(frozen=True)
class Example:
    """One frame of a table."""

    sender: Side
    title: str
    fields: tuple[Field, ...]

    @property
    def data(self) -> bytes:
        """The bytes of the frame."""
        return b"".join(field.data for field in self.fields)


def read_examples() -> dict[str, list[Example]]:
    """Return the frames of each table by its name."""
    return {
        name: [read_example(paragraph) for paragraph in body.split("\n\n")]
        for name, body in TABLE.findall(DOCUMENT.read_text("utf-8"))
    }


def read_example(paragraph: str) -> Example:
    """Read the title of a frame and its lines."""
    title, *lines = paragraph.split("\n")
    sender, _, rest = title.partition(" ")
    return Example(SENDERS[sender], rest, tuple(read_field(line) for line in lines))


def read_field(line: str) -> Field:
    """Read hex and repetitions, and behind two or more spaces the remark."""
    columns = re.split(r"\s{2,}", line, maxsplit=1)
    remark = columns[1] if len(columns) > 1 else ""
    return Field(b"".join(read_hex(word) for word in columns[0].split()), remark)


def read_hex(word: str) -> bytes:
    """Read hex, or one byte that is repeated."""
    match = REPEATED.fullmatch(word)
    return bytes.fromhex(match[1]) * int(match[2]) if match else bytes.fromhex(word)
