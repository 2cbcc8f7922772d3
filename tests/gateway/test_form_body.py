"""Multipart uploads: chosen, checked and renamed by a model that stands in their beginning, the files untouched."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import UpstreamFailed
from fastproxy.gateway.form_body import MAX_HELD_BYTES
from fastproxy.snapshot import KeySpec, Snapshot
from tests.gateway.gateway_stage import SECRET, Gateway, channel, json_of, key, pour, status_of, warm
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.record import Record
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.pool import Pool

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SOUND = bytes(range(256)) * 400  # 100 KB with every byte in it


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--XyZ\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), more.encode(), value)


def file(content: bytes = SOUND) -> bytes:
    return part("file", content, '; filename="a.mp3"\r\nContent-Type: audio/mpeg')


def model(name: str = "company-ear") -> bytes:
    return part("model", name.encode())


END = b"--XyZ--\r\n"
FORM = part("language", b"de") + model() + file() + END
RENAMED = part("language", b"de") + model("whisper-1") + file() + END


def head(length: int = -1, token: str = "wide", kind: bytes = b"multipart/form-data; boundary=XyZ") -> bytes:
    framing = b"Content-Length: %d" % length if length >= 0 else b"Transfer-Encoding: chunked"
    return (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: %b\r\n%b\r\n\r\n"
    ) % (token.encode(), kind, framing)


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def gateway(*keys: KeySpec, **of_channel: Any) -> tuple[Gateway, Inbound, Outbound]:
    """One channel that calls `whisper-1` `company-ear`, if nothing else is said; a client, a warm connection."""
    spec = msgspec.structs.replace(channel("openai"), **(of_channel or {"rename": {"company-ear": "whisper-1"}}))
    keys = keys or (key("wide"), key("narrow", "company-ear"))
    made = Gateway(Snapshot(SECRET, "stage", {}, channels=(spec,), keys=keys))
    (outbound,) = made.warm_all().values()
    return made, made.client(), outbound


def arrived(sent: bytes) -> tuple[int, bytes]:
    """What went upstream: the length that was announced (-1: chunked) and the body."""
    top, _, body = sent.partition(b"\r\n\r\n")
    announced = re.search(rb"(?i)\r\ncontent-length: (\d+)", top)
    if announced is not None:
        assert b"transfer-encoding" not in top.lower()
        return int(announced[1]), body
    plain = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        plain += body[:count]
        assert body[count : count + 2] == b"\r\n"
        body = body[count + 2 :]
        if not count:
            assert not body
    return -1, plain


@pytest.mark.parametrize("size", [1, 7, 100, 5000, 1 << 20])
@pytest.mark.parametrize("token", ["wide", "narrow"])
def test_a_model_is_renamed_and_the_length_with_it(size: int, token: str) -> None:
    stage, client, outbound = gateway()
    form = part("language", b"de") + model() + file(SOUND[:3000]) + END
    data = head(len(form), token) + form
    for place in range(0, len(data), size):
        client.data_received(data[place : place + size])
    length, body = arrived(wire_of(outbound).take())
    assert body == form.replace(b"company-ear", b"whisper-1")
    assert length == len(body)
    outbound.data_received(OK)
    assert status_of(wire_of(client).take()) == 200
    assert stage.world.buffered_bytes == 0


@given(
    cuts=st.lists(st.integers(0, len(FORM)), max_size=6),
    chunked=st.booleans(),
    token=st.sampled_from(["wide", "narrow"]),
)
def test_wherever_a_form_is_cut_the_same_arrives(cuts: list[int], chunked: bool, token: str) -> None:
    stage, client, outbound = gateway()
    client.data_received(head(-1 if chunked else len(FORM), token))
    places = [0, *sorted(cuts), len(FORM)]
    pieces = [FORM[first:last] for first, last in pairwise(places) if first < last]
    for piece in pieces:
        pour(wire_of(client), chunks(piece) if chunked else piece)
    if chunked:
        pour(wire_of(client), b"0\r\n\r\n")
    assert arrived(wire_of(outbound).take()) == (-1 if chunked else len(RENAMED), RENAMED)
    outbound.data_received(OK)
    assert status_of(wire_of(client).take()) == 200
    assert (stage.world.buffered_bytes, outbound.pool.active) == (0, 0)


def test_nothing_goes_upstream_before_the_model_and_nothing_waits_behind_it() -> None:
    stage, client, outbound = gateway()
    upstream, before = wire_of(outbound), part("language", b"de") + model()
    client.data_received(head(len(FORM)))
    client.data_received(before)
    assert upstream.take() == b""
    assert stage.world.buffered_bytes == len(before)
    client.data_received(FORM[len(before) : len(before) + 500])
    assert b"whisper-1" in upstream.take()
    held = stage.world.buffered_bytes
    for place in range(len(before) + 500, len(FORM), 9000):
        client.data_received(FORM[place : place + 9000])
        assert upstream.take() == FORM[place : place + 9000]
        assert stage.world.buffered_bytes == held
    outbound.data_received(OK)
    assert stage.world.buffered_bytes == 0


def test_the_next_request_of_the_connection_is_served() -> None:
    _, client, outbound = gateway()
    for name in ("company-ear", "other", "company-ear"):
        form = model(name) + file(b"abc") + END
        client.data_received(head(len(form)) + form)
        assert arrived(wire_of(outbound).take())[1] == form.replace(b"company-ear", b"whisper-1")
        outbound.data_received(OK)
        assert status_of(wire_of(client).take()) == 200


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        (model("gpt-5") + file() + END, 403, "'gpt-5'"),
        (file(b"abc") + END, 403, "'model'"),
        (file(b"m" * MAX_HELD_BYTES) + model() + END, 403, "before the files"),
        (part("x", b"m" * 3 * MAX_HELD_BYTES) + model() + END, 403, "'model'"),
        (model() + model("gpt-5") + file() + END, 400, "twice"),
        (model() + b"--XyZ\nContent-Disposition: form-data; name=model\n\ngpt-5\r\n" + END, 400, "boundary"),
        (model() + END.strip() + model("gpt-5") + END, 400, "boundary"),
        (part("model", b"company-ear", '; filename="a"') + END, 400, "'model'"),
    ],
)
def test_a_limited_key_is_refused_before_anything_is_sent(form: bytes, status: int, says: str) -> None:
    stage, client, outbound = gateway()
    pour(wire_of(client), head(len(form), "narrow") + form)
    reply = wire_of(client).take()
    assert status_of(reply) == status
    assert says in json_of(reply)["error"]["message"]
    assert wire_of(outbound).take() == b""
    assert stage.world.buffered_bytes == 0


@pytest.mark.parametrize("kind", [b"multipart/form-data", b"multipart/form-data; boundary=a; boundary=XyZ",
                                  b"multipart/form-data; boundary=XyZ\r\nContent-Type: text/plain",
                                  b"text/plain\r\nContent-Type: multipart/form-data; boundary=XyZ"])  # fmt: skip
def test_a_limited_key_with_an_unclear_content_type_is_refused(kind: bytes) -> None:
    _, client, outbound = gateway()
    client.data_received(head(len(FORM), "narrow", kind) + FORM)
    assert status_of(wire_of(client).take()) in (400, 403)
    assert wire_of(outbound).take() == b""


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 3, 50, 4000])
@pytest.mark.parametrize("token", ["wide", "narrow"])
def test_a_second_model_behind_the_file_never_reaches_the_upstream_whole(token: str, size: int, chunked: bool) -> None:
    stage, client, outbound = gateway()
    beginning, rest = model() + file(b"abc"), model("gpt-5") + END
    client.data_received(head(-1 if chunked else len(beginning + rest), token))
    for place, piece in enumerate([beginning, *(rest[at : at + size] for at in range(0, len(rest), size))]):
        client.data_received(chunks(piece) if chunked else piece)
        assert place or wire_of(outbound).sent
    if chunked:
        client.data_received(b"0\r\n\r\n")
    reply, sent = wire_of(client).take(), wire_of(outbound).take()
    assert (status_of(reply), reply.count(b"HTTP/1.1")) == (400, 1)
    assert b"stands twice" in reply
    assert b"gpt-5" not in sent
    assert not sent.endswith((b"0\r\n\r\n", END))
    assert wire_of(outbound).aborted
    assert (stage.world.buffered_bytes, outbound.pool.active) == (0, 0)


def test_a_second_model_while_the_connection_is_opened() -> None:
    async def scenario() -> None:
        stage, client, outbound = gateway()
        outbound.close()
        outbound.pool._dial = _never
        client.data_received(head(999) + model() + file(b"abc"))
        await asyncio.sleep(0)
        client.data_received(model("gpt-5"))
        assert status_of(wire_of(client).take()) == 400
        assert stage.world.buffered_bytes == 0
        await asyncio.gather(*stage.tasks, return_exceptions=True)

    asyncio.run(scenario())


async def _never(pool: Pool) -> Outbound:
    await asyncio.Event().wait()
    raise AssertionError


async def _nobody(pool: Pool) -> Outbound:
    raise UpstreamFailed("refused", retry="if_unsent")


@pytest.mark.parametrize("chunked", [False, True])
def test_the_next_attempt_gets_the_clients_own_words(chunked: bool) -> None:
    async def scenario() -> None:
        first = msgspec.structs.replace(channel("openai"), rename={"company-ear": "whisper-1"}, priority=10)
        second = channel("backup", "http://127.0.0.1:8/v1")
        stage = Gateway(Snapshot(SECRET, "stage", {}, channels=(first, second), keys=(key("wide"),)))
        pools = {origin.authority: pool for origin, pool in stage.world.pools.items()}
        pools["127.0.0.1:9"]._dial = _nobody
        backup, client = warm(pools["127.0.0.1:8"]), stage.client()
        half = len(FORM) // 2
        client.data_received(head(-1 if chunked else len(FORM)))
        for piece in (FORM[:half], FORM[half:]):
            pour(wire_of(client), chunks(piece) if chunked else piece)
            await asyncio.sleep(0)
        if chunked:
            client.data_received(b"0\r\n\r\n")
        for _ in range(6):
            await asyncio.sleep(0)
        assert arrived(wire_of(backup).take()) == (-1 if chunked else len(FORM), FORM)
        backup.data_received(OK)
        assert status_of(wire_of(client).take()) == 200

    asyncio.run(scenario())


def test_a_connection_that_died_is_not_tried_again_when_a_part_has_gone() -> None:
    _, client, outbound = gateway(rename={"company-ear": "a-much-longer-name"})
    spare = warm(outbound.pool)
    form = model() + file(b"abc") + END
    request = head(len(form)).replace(b"Host:", b"Idempotency-Key: 1\r\nHost:") + form
    client.data_received(request[:-3])
    client.data_received(request[-3:])
    used = spare if wire_of(spare).sent else outbound
    used.eof_received()
    assert status_of(wire_of(client).take()) == 502


def test_channels_are_chosen_by_the_model_of_a_form() -> None:
    first = msgspec.structs.replace(channel("openai"), models=("a",))
    second = msgspec.structs.replace(channel("backup", "http://127.0.0.1:8/v1"), models=("b",))
    stage = Gateway(Snapshot(SECRET, "stage", {}, channels=(first, second), keys=(key("wide"),)))
    warmed = stage.warm_all()
    for name, authority in (("b", "127.0.0.1:8"), ("a", "127.0.0.1:9")):
        client, form = stage.client(), model(name) + file(b"abc") + END
        client.data_received(head(len(form)) + form)
        assert arrived(wire_of(warmed[authority]).take()) == (len(form), form)
    client, form = stage.client(), model("c") + END
    client.data_received(head(len(form)) + form)
    assert status_of(wire_of(client).take()) == 404


@pytest.mark.parametrize(
    "form", [file() + model() + END, file(b"abc") + END, b"no form", FORM[:-1], part("x", b"1") * 99 + END]
)
def test_what_nobody_has_to_know_passes_as_it_is(form: bytes) -> None:
    """No model, or too late, for a key that may use all of them, and where nothing but a log would show it."""
    seen: list[Record] = []
    stage, client, outbound = gateway(models=())
    stage.world.log = seen.append
    pour(wire_of(client), head(len(form)) + form)
    assert arrived(wire_of(outbound).take()) == (len(form), form)
    outbound.data_received(OK)
    assert status_of(wire_of(client).take()) == 200
    assert [record.model for record in seen] == ["company-ear" if form == FORM[:-1] else ""]


def test_a_model_behind_the_file_is_not_waited_for_by_a_key_that_may_use_all() -> None:
    _, client, outbound = gateway()
    form = file() + model() + END
    pour(wire_of(client), head(len(form)) + form)
    assert arrived(wire_of(outbound).take()) == (len(form), form)


def test_nothing_is_held_where_nothing_depends_on_it() -> None:
    stage, client, outbound = gateway(models=())
    client.data_received(head(len(FORM)))
    assert b"audio/transcriptions" in wire_of(outbound).take()
    client.data_received(FORM[:10])
    assert wire_of(outbound).take() == FORM[:10]
    assert stage.world.buffered_bytes == 0


def test_what_is_held_is_bounded_over_all_exchanges() -> None:
    stage, client, outbound = gateway()
    stage.world.max_buffered_bytes = 100
    client.data_received(head(len(FORM)))
    client.data_received(FORM[:60])
    other = stage.client()
    other.data_received(head(len(FORM)) + FORM[:60])
    assert status_of(wire_of(other).take()) == 503
    client.data_received(FORM[60:200])
    assert status_of(wire_of(client).take()) == 503
    assert stage.world.buffered_bytes == 0
    assert wire_of(outbound).take() == b""


def test_a_client_that_leaves_or_stops_gives_back_what_is_held() -> None:
    stage, client, outbound = gateway()
    client.data_received(head(len(FORM)) + FORM[:60])
    assert stage.world.buffered_bytes == 60
    client.connection_lost(None)
    assert stage.world.buffered_bytes == 0
    slow = stage.client()
    slow.data_received(head(len(FORM)) + FORM[:60])
    stage.passes(3600)
    assert status_of(wire_of(slow).take()) == 408
    assert stage.world.buffered_bytes == 0
    assert wire_of(outbound).take() == b""


def test_azure_gets_the_deployment_of_a_form() -> None:
    _, client, outbound = gateway(rename={"company-ear": "ear"}, api_version="2024-10-21")
    form = model() + file(b"abc") + END
    client.data_received(head(len(form)) + form)
    assert b"/openai/deployments/ear/audio/transcriptions?api-version=" in wire_of(outbound).take()


@pytest.mark.parametrize(("token", "name", "status"), [("narrow", "company-ear", 200), ("narrow", "gpt-5", 403),
                                                       ("narrow", None, 403), ("wide", None, 200)])  # fmt: skip
def test_the_same_operation_as_json(token: str, name: str | None, status: int) -> None:
    """OpenAI takes edits and videos as JSON too; a vendor has a default where none is named."""
    _, client, outbound = gateway()
    given = b'{"prompt":"a hat"' + (b',"model":"%b"' % name.encode() if name else b"") + b"}"
    request = head(len(given), token, b"application/json").replace(b"audio/transcriptions", b"images/edits") + given
    for _ in range(3):
        client.data_received(request)
        if status == 200:
            expected = given.replace(b"company-ear", b"whisper-1")
            assert arrived(wire_of(outbound).take()) == (len(expected), expected)
            outbound.data_received(OK)
        assert status_of(wire_of(client).take()) == status


def test_a_boundary_with_json_in_it_is_still_a_form() -> None:
    _, client, outbound = gateway()
    kind = b"multipart/form-data; boundary=--json--XyZ"
    form = (model() + file(b"abc") + END).replace(b"--XyZ", b"----json--XyZ")
    client.data_received(head(len(form), "narrow", kind) + form)
    assert arrived(wire_of(outbound).take())[1] == form.replace(b"company-ear", b"whisper-1")
