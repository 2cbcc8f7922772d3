"""One request as the mock has received it: the data every other mock file works on. No sockets, no decisions.

Header names are lower case; values are as received, in order, duplicates kept. `fields` is the same as a dictionary
(the last of a repeated name wins); whoever cares about repetition looks at `headers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """A complete request.

    `wishes`: it asks for a behaviour of its own (x-mock-…). `digest`: (sha256 hex, length of the body), which is
    filled instead of `body` on the echo path, so that uploads of any size can be checked.
    """

    method: bytes
    target: bytes
    version: str
    keep_alive: bool
    headers: Headers
    fields: dict[bytes, bytes]
    body: bytes
    wishes: bool = False
    digest: tuple[str, int] | None = None

    @property
    def path(self) -> str:
        """The path with percent-escapes undone: Google's SDK may send the colon of `model:verb` as %3A."""
        return unquote(self.target.partition(b"?")[0].decode("latin-1"))

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; the last of a repeated name wins."""
        return dict(parse_qsl(self.target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True))

    def field(self, name: bytes) -> str:
        """A header's value as text, empty when absent."""
        return self.fields.get(name, b"").decode("latin-1")


def read_plain(data: bytes) -> Request:
    """A request out of bytes that a real parser took before; for looking at it, not for judging it."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    headers = [(name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
    return Request(method, target, "1.1", True, headers, dict(headers), body)
