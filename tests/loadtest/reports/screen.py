"""A terminal's screen as far as a progress display uses one: what stands where after all that was written.

Knows printing, line ends, moving the cursor and erasing lines; colours are dropped; anything else is a failure, so that
a control character which nobody expected does not pass.
"""

from __future__ import annotations

import re

SEQUENCE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")
HARMLESS = "mhl"  # colours; cursor shown and hidden


class Screen:
    def __init__(self) -> None:
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        place = 0
        while place < len(text):
            found = SEQUENCE.match(text, place)
            if found:
                self._command(found[2], int(found[1]) if found[1].isdigit() else 1)
                place = found.end()
            else:
                self._put(text[place])
                place += 1

    def lines(self) -> list[str]:
        """The screen's text, without the empty lines at its end."""
        return "\n".join("".join(row).rstrip() for row in self.rows).rstrip().split("\n")

    def _put(self, char: str) -> None:
        if char == "\n":
            self.row += 1
            while self.row >= len(self.rows):
                self.rows.append([])
        elif char == "\r":
            self.column = 0
        else:
            assert char.isprintable(), repr(char)
            row = self.rows[self.row]
            row.extend(" " * (self.column + 1 - len(row)))
            row[self.column] = char
            self.column += 1

    def _command(self, letter: str, count: int) -> None:
        if letter == "A":
            self.row = max(self.row - count, 0)
        elif letter == "K":
            self.rows[self.row] = []
        else:
            assert letter in HARMLESS, letter
