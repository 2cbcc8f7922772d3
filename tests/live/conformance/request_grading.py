"""One request case against a live gateway: what came back, what the upstream saw, and how the next request fares."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.live.conformance.client import Manner, Streams, Talk, connect, talk, warm_up
from tests.live.conformance.corpus import RequestCase, expand, warm_request
from tests.live.conformance.parser_models import MODELS, Message, read
from tests.live.conformance.verdict import WARM_REQUESTS, Lane, Verdict

SETTLE_S: Final = 0.03  # for bytes that should not reach the upstream; nothing tells when they will not


async def grade_warm_request(lane: Lane, case: RequestCase) -> Verdict:
    """The same on a connection that has just carried requests with the same names in the same order."""
    before = warm_request(case.raw)
    streams = await connect(lane.port)
    if before and not await warm_up(streams, expand(before, lane.words("/warm")), WARM_REQUESTS):
        streams[1].transport.abort()
        return await grade_request(lane, case)
    return await grade_request(lane, case, streams)


async def grade_request(lane: Lane, case: RequestCase, streams: Streams | None = None) -> Verdict:
    upstream = lane.upstream
    upstream.mark()
    heard = await talk(lane.port, expand(case.raw, lane.words(f"/c/{case.id}")), Manner.of(case), streams)
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
