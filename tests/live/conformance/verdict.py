"""The verdict on one case, and the lane that it is tried on.

PASS     the answer is one of the wanted, and nothing else happened
LENIENT  an RFC allows it and the upstream saw it unambiguously; not good enough for an edge
FAIL     a wrong answer
DANGER   smuggled, ambiguous upstream bytes, a leaked field, a poisoned next answer, a hidden truncation
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from tests.live.conformance.client import Talk, talk
from tests.live.conformance.corpus import SMUGGLED, expand

if TYPE_CHECKING:
    from tests.live.conformance.upstream import Upstream

WARM_REQUESTS: Final = 18  # more than it takes until a gateway knows a shape of head by heart


class Grade(Enum):
    PASS = "pass"
    LENIENT = "lenient"
    FAIL = "fail"
    DANGER = "DANGER"


@dataclass(slots=True)
class Verdict:
    """What is wrong with one case; the worst decides."""

    case: str
    got: int | str
    dangers: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lenient: bool = False

    @property
    def grade(self) -> Grade:
        if self.dangers:
            return Grade.DANGER
        if self.faults:
            return Grade.FAIL
        return Grade.LENIENT if self.lenient else Grade.PASS

    def __str__(self) -> str:
        return f"{self.grade.value} {self.case}: {self.got}; {'; '.join(self.dangers + self.faults)}"


@dataclass(frozen=True, slots=True)
class Lane:
    """A gateway's port, the upstream behind it, and the path prefix under which it is reached."""

    port: int
    upstream: Upstream
    prefix: str = ""

    def words(self, path: str) -> dict[str, str]:
        words = {
            "@X@": "",
            "@P@": f"{self.prefix}{path}",
            "@S@": f"{self.prefix}/SMUG{path}",
            "@H@": f"127.0.0.1:{self.port}",
        }
        return {"@SLEN@": str(len(expand(SMUGGLED, words))), **words}

    async def control(self, tag: str) -> tuple[bool, Talk]:
        """A clean request on a connection of its own: does it get its own answer?"""
        path = f"{self.prefix}/ctl/{tag}"
        heard = await talk(
            self.port, f"GET {path} HTTP/1.1\r\nHost: control.test\r\nConnection: close\r\n\r\n".encode()
        )
        good = heard.said == 200 and path.encode() in heard.answers[0].body
        return good, heard
