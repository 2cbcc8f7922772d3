"""One reply case: what the client saw of it, and whether later answers are what they should be."""

from __future__ import annotations

from tests.live.conformance.client import Manner, Talk, connect, talk, warm_up
from tests.live.conformance.corpus import ReplyCase, expand
from tests.live.conformance.verdict import WARM_REQUESTS, Lane, Verdict


async def grade_warm_reply(lane: Lane, case: ReplyCase) -> Verdict:
    """The same after replies with no field but Content-Length, which many cases are variations of."""
    streams = await connect(lane.port)
    path = f"{lane.prefix}/r/r-ok-cl"
    good = await warm_up(streams, f"GET {path} HTTP/1.1\r\nHost: warm.test\r\n\r\n".encode(), WARM_REQUESTS)
    assert good, "the control case must be answered"
    streams[1].transport.abort()
    return await grade_reply(lane, case)


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
