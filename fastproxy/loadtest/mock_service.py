"""Request → Reply and how to deliver it: the mock's brain. It remembers, seeds and stamps.

As long as nothing but the request decides over a reply (no script, no prefix cache), equal requests share one
remembered reply. The memory is emptied every second, which is also when the date and `created` move on. Limits, chaos
and error rates (mock_disturbance) come on top of what is remembered. What is said is mock_speaker's, sockets are
mock_server's.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections import deque
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from fastproxy.loadtest import mock_behaviour, mock_wishes
from fastproxy.loadtest.mock_disturbance import Disturbance
from fastproxy.loadtest.mock_exchange import Exchange
from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_heads import Heads
from fastproxy.loadtest.mock_memory import Memory, Prepared, key_of, wishes_of
from fastproxy.loadtest.mock_reply import IDENT, Reply, cuts, head, is_chunked, refusal, whole
from fastproxy.loadtest.mock_speaker import Speaker
from fastproxy.loadtest.mock_stencil import MOST_WORDS, Stencil

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_behaviour import Behaviour, MockOptions
    from fastproxy.loadtest.mock_books import Books
    from fastproxy.loadtest.mock_request import Request

_LAST = 256
_MOST_WISHES = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reply, how to deliver it, and what to stamp on it."""

    reply: Reply
    behaviour: Behaviour
    rng: random.Random
    ident: bytes
    date: bytes


class Service:
    """One per process. `answer` never raises: what is wrong with a request becomes a reply.

    The seed of the flag decides over texts, ids and times, and over the order in which chance falls: equal requests
    get equal bytes, but not all the same latency or error. A request's own seed decides over its latency, too.
    `quick`: replies to known heads can be sent as they are, after the latency; `instant`: there is none.
    """

    def __init__(self, options: MockOptions, books: Books) -> None:
        self.options = options
        self.books = books
        self.last: deque[Request | bytes] = deque(maxlen=_LAST)
        self.default = mock_behaviour.from_options(options)
        self._speaker = Speaker(options, self.default, books, self.last)
        self.rng = random.Random(options.seed)
        self._disturbance = Disturbance(options, self._speaker.script.chaos, time.monotonic())
        self.quick = self._speaker.repeats and not self.default.gap and not self._disturbance.active
        self.instant = self.quick and self.default.instant
        self._memory = Memory()
        self._behaviours: dict[tuple[object, ...], Behaviour] = {}
        self.heads = Heads(self)
        self._stem = b"%08x" % (os.getpid() & 0xFFFFFFFF)
        self._made = 0
        self.tick(0)

    def tick(self, now: int) -> None:
        """A new second, in Unix time."""
        self.now = now
        self.date = formatdate(now, usegmt=True).encode()
        self._memory.clear()
        self.heads.clear()

    def ident(self) -> bytes:
        """A new id, unique within a run of the mock, as long as IDENT."""
        self._made += 1
        return b"%b%016x" % (self._stem, self._made)

    def recall(self, request: Request, behaviour: Behaviour | None = None) -> Prepared:
        """The reply to a request as long as nothing else decides, remembered or made now."""
        key = key_of(request)
        prepared = self._memory.find(key, request.body)
        if prepared is None:
            exchange = self._exchange(request, behaviour or self.default)
            reply = self._speaker.reply(exchange)
            parts = cuts(whole(reply, request, self._date(exchange)))
            if exchange.behaviour.seed is not None:
                parts = [self._ident(exchange).join(parts)]
            prepared = Prepared(reply, parts, request.body)
            self._memory.keep(key, prepared)
        return prepared

    def stencil(self, request: Request) -> Stencil | None:
        """The stencil of all replies that differ from this one in words and counts only; None where there is none."""
        if self.default.seed is not None or self.default.tokens > MOST_WORDS or not self.default.tokens:
            return None
        exchange = self._exchange(request, self.default)
        exchange.blank = True
        reply = self._speaker.reply(exchange)
        if reply.status != 200:
            return None
        chunked = is_chunked(reply, request)
        tokens = self.default.tokens
        return Stencil(head(reply, request, self.date), reply.pieces, reply.tally, tokens, chunked=chunked)

    def answer(self, request: Request) -> Outcome:
        """The reply to any request, and how to deliver it."""
        try:
            behaviour = self._wished(request) if request.wishes else self.default
        except Fault as fault:
            return self._outcome(refusal("openai", fault), self._exchange(request, self.default))
        exchange = self._exchange(request, behaviour)
        reply = self.recall(request, behaviour).reply if self._speaker.repeats else self._speaker.reply(exchange)
        return self._outcome(self._disturbance.apply(reply, exchange), exchange)

    def _wished(self, request: Request) -> Behaviour:
        """The behaviour of a request with wishes, remembered or read now; raises Fault."""
        wishes = wishes_of(request)
        behaviour = self._behaviours.get(wishes)
        if behaviour is None:
            behaviour = mock_wishes.from_request(self.default, request)
            if len(self._behaviours) >= _MOST_WISHES:
                self._behaviours.clear()
            self._behaviours[wishes] = behaviour
        return behaviour

    def _exchange(self, request: Request, behaviour: Behaviour) -> Exchange:
        exchange = Exchange(request, self.default, self.rng, self.now, time.monotonic())
        exchange.behave(behaviour)
        return exchange

    def _outcome(self, reply: Reply, exchange: Exchange) -> Outcome:
        return Outcome(reply, exchange.behaviour, exchange.rng, self._ident(exchange), self._date(exchange))

    def _ident(self, exchange: Exchange) -> bytes:
        """Unique, or with a seed the same for the same request."""
        if exchange.behaviour.seed is None:
            return self.ident()
        request = exchange.request
        data = b"%d\n%b\n%b\n%b" % (exchange.behaviour.seed, request.method, request.target, request.body)
        return hashlib.blake2b(data, digest_size=len(IDENT) // 2).hexdigest().encode()

    def _date(self, exchange: Exchange) -> bytes:
        return self.date if exchange.now == self.now else formatdate(exchange.now, usegmt=True).encode()
