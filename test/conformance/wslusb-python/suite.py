"""Suite: checks with a name, run one after another or in the background, and what they found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

Check = Callable[[str], Awaitable[None]]
"""A check is given the address of a host, and raises if something is wrong."""

CHECK_PATIENCE = 15.0
"""Seconds that a check may take."""


class Failure(AssertionError):
    """The document wants one thing, and another came."""

    def __init__(self, section: str, expected: object, came: object) -> None:
        super().__init__(f"section {section} wants {expected}; came {came}")


def expect(section: str, what: str, expected: Any, came: Any) -> None:
    """Compare what a section of the document wants with what came."""
    if expected != came:
        raise Failure(section, f"{what} {shorten(expected)}", shorten(came))


def expect_that(section: str, expected: str, condition: bool, came: object) -> None:
    """Hold a condition that a section of the document wants."""
    if not condition:
        raise Failure(section, expected, shorten(came))


def shorten(value: object) -> str:
    """Return a value as text that fits a line."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters)"


@dataclass(frozen=True)
class Entry:
    """A check with its name; one in the background waits for seconds most of the time."""

    name: str
    run: Check
    in_background: bool


class Suite:
    """Checks in the order in which they were added."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    @classmethod
    def joined(cls, suites: Iterable[Suite]) -> Suite:
        """Return one suite with the checks of several."""
        joined = cls()
        joined._entries = [entry for suite in suites for entry in suite._entries]
        return joined

    def check(self, name: str, in_background: bool = False) -> Callable[[Check], Check]:
        """Return a decorator that adds a check."""

        def add(run: Check) -> Check:
            self._entries.append(Entry(name, run, in_background))
            return run

        return add

    async def run(self, address: str) -> bool:
        """Run every check and print one line for each; return whether all went well."""
        background = [asyncio.create_task(self._run(entry, address)) for entry in self._pick(True)]
        results = [await self._run(entry, address) for entry in self._pick(False)]
        results += await asyncio.gather(*background)
        return all(results)

    def _pick(self, in_background: bool) -> list[Entry]:
        return [entry for entry in self._entries if entry.in_background is in_background]

    async def _run(self, entry: Entry, address: str) -> bool:
        try:
            await asyncio.wait_for(entry.run(address), CHECK_PATIENCE)
        except Failure as failure:
            print(f"FAIL {entry.name}: {failure}", flush=True)
            return False
        except Exception as reason:
            wanted = (entry.run.__doc__ or "").strip()
            print(f"FAIL {entry.name}: wanted: {wanted} Came: {reason!r}", flush=True)
            return False
        print(f"ok {entry.name}", flush=True)
        return True
