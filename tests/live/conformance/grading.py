"""One case against a live gateway, and the verdict.

    PASS     the answer is one of the wanted, and nothing else happened
    LENIENT  an RFC allows it and the upstream saw it unambiguously; not good enough for an edge
    FAIL     a wrong answer
    DANGER   smuggled, ambiguous upstream bytes, a leaked field, a poisoned next answer, a hidden truncation
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from tests.live.conformance.client import Manner, Talk, talk
from tests.live.conformance.corpus import SMUGGLED, ReplyCase, RequestCase, expand
from tests.live.conformance.parser_models import MODELS, Message, read

if TYPE_CHECKING:
    from tests.live.conformance.upstream import Upstream

SETTLE_S: Final = 0.03  # for bytes that should not reach the upstream; nothing tells when they will not


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


async def grade_request(lane: Lane, case: RequestCase) -> Verdict:
    upstream = lane.upstream
    upstream.mark()
    heard = await talk(lane.port, expand(case.raw, lane.words(f"/c/{case.id}")), Manner.of(case))
    await asyncio.sleep(SETTLE_S)
    verdict = Verdict(case.id, heard.said)
    _judge_upstream(verdict, case, upstream.since_mark())
    _judge_answers(verdict, case, heard)
    if not (await lane.control(case.id))[0]:
        good = (await lane.control(f"{case.id}-again"))[0]
        (verdict.faults if good else verdict.dangers).append("the next clean request failed")
    upstream.forget()
    return verdict


def _judge_upstream(verdict: Verdict, case: RequestCase, heard: list[bytes]) -> None:
    seen = {name: [message for data in heard for message in read(data, model)[0]] for name, model in MODELS.items()}
    counts = {name: len(messages) for name, messages in seen.items()}
    served = verdict.got == "junk" or (isinstance(verdict.got, int) and verdict.got < 400)
    most = max(case.up[1], 1 if served else 0)
    if len(set(counts.values())) > 1:
        verdict.dangers.append(f"ambiguous bytes upstream: {counts}")
    if max(counts.values()) > most:
        verdict.dangers.append(f"the upstream saw {max(counts.values())} requests, at most {most} are due")
    if verdict.got == 200 and counts["strict"] < case.up[0]:
        verdict.faults.append(f"the upstream saw {counts['strict']} requests, {case.up[0]} are due")
    if any(b"/SMUG/" in message.line for messages in seen.values() for message in messages):
        verdict.dangers.append("the smuggled path reached the upstream")
    for message in seen["strict"]:
        _judge_fields(verdict, case, message)


def _judge_fields(verdict: Verdict, case: RequestCase, message: Message) -> None:
    names = {name.decode("latin-1") for name, _ in message.fields}
    leaks = verdict.dangers if case.kind == "smuggle" else verdict.faults
    leaks += [f"field {name} reached the upstream" for name in case.deny_up if name in names]
    verdict.dangers += [f"field {name} is missing upstream" for name in case.need_up if name not in names]
    values = [value for _, value in message.fields]
    verdict.dangers += [
        f"'{part}' reached the upstream" for part in case.deny_value if any(part.encode() in value for value in values)
    ]
    hosts = message.get_all(b"host")
    if case.abs_host and b"://" in message.line and hosts != [case.abs_host.encode()]:
        verdict.dangers.append(f"target and host disagree upstream: {hosts}")


def _judge_answers(verdict: Verdict, case: RequestCase, heard: Talk) -> None:
    if len(heard.answers) > case.responses:
        verdict.dangers.append(f"{len(heard.answers)} answers, at most {case.responses} are due")
    verdict.dangers += [f"the answer holds '{text}'" for text in case.deny_body if text.encode() in heard.raw]
    if heard.junk and heard.answers:
        verdict.faults.append(f"bytes behind the answer: {heard.junk[:40]!r}")
    if case.deny_100 and 100 in heard.interim:
        verdict.faults.append("100 Continue for a body that is refused")
    if case.must_close and not heard.closed:
        verdict.faults.append("the connection stays open")
    if heard.said == 200 and case.kind == "control" and len(heard.answers) != case.responses:
        verdict.faults.append(f"{len(heard.answers)} answers of {case.responses}")
    if verdict.got not in case.expect:
        verdict.lenient = verdict.got in case.rfc_ok
        if not verdict.lenient:
            verdict.faults.append(f"wanted {case.expect}")


async def grade_reply(lane: Lane, case: ReplyCase) -> Verdict:
    before = len(lane.upstream.reused)
    to_head = (case.ask or case.method).startswith("HEAD")
    heard = await talk(lane.port, _request(lane, case), Manner(to_head=to_head))
    verdict = Verdict(case.id, _kind_of(heard))
    hit = verdict.got in case.expect or (bool(heard.answers) and verdict.got == _whole(heard, case))
    if heard.answers:
        _judge_reply(verdict, case, heard, hit=hit)
    if len(heard.answers) > 1 or (heard.answers and heard.junk):
        verdict.dangers.append(f"more than the answer: {heard.junk[:40]!r}")
    if not hit:
        verdict.lenient = verdict.got in case.rfc_ok
        if not verdict.lenient:
            verdict.faults.append(f"wanted {case.expect}")
    await _judge_later(verdict, case, lane)
    if case.id in lane.upstream.reused[before:]:
        verdict.dangers.append("a tainted upstream connection was used again")
    return verdict


def _request(lane: Lane, case: ReplyCase) -> bytes:
    words = lane.words(f"/r/{case.id}")
    if case.ask:
        return expand(case.ask, words)
    body = b"x" * 200_000 if case.early else b"abc" if case.method == "POST" else b""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return expand(f"{case.method} @P@ HTTP/1.1\r\nHost: @H@\r\n{length}\r\n", words) + body


def _kind_of(heard: Talk) -> str:
    if not heard.answers:
        return str(heard.said)
    answer = heard.answers[0]
    end = "complete" if answer.complete else "truncated" if heard.closed else "open"
    return f"{answer.status}/{end}"


def _whole(heard: Talk, case: ReplyCase) -> str:
    """The kind that a bare status in `expect` stands for."""
    status = str(heard.answers[0].status)
    return f"{status}/complete" if status in case.expect else ""


def _judge_reply(verdict: Verdict, case: ReplyCase, heard: Talk, *, hit: bool) -> None:
    answer = heard.answers[0]
    leaks = verdict.dangers if case.sev else verdict.faults
    leaks += [f"field {name} reached the client" for name in case.deny_head if name.encode() in answer.fields]
    leaks += [f"{text!r} reached the client" for text in case.deny_raw if text.encode("latin-1") in answer.head]
    if case.deny_both and {b"transfer-encoding", b"content-length"} <= answer.fields.keys():
        verdict.dangers.append("two framings reached the client")
    whole = verdict.got == "200/complete"
    if case.body is not None and whole and case.method != "HEAD" and answer.body.decode("latin-1") != case.body:
        verdict.faults.append(f"body {answer.body[:20]!r}")
    cut_expected = any(wanted.endswith("truncated") for wanted in case.expect)
    if whole and not hit and cut_expected and verdict.got not in case.rfc_ok:
        verdict.dangers.append("the truncation is hidden from the client")


async def _judge_later(verdict: Verdict, case: ReplyCase, lane: Lane) -> None:
    for number in range(2):
        good, heard = await lane.control(f"{case.id}-{number}")
        if not good:
            verdict.faults.append("a later request failed")
        verdict.dangers += [f"a later answer holds '{text}'" for text in case.deny_next if text.encode() in heard.raw]
