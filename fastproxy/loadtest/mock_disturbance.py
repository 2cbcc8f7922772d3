"""What becomes of a call that would succeed: limits of its key, the chaos of the moment, the error rate. No sockets.

A limited call shows its key's real limits in its header; a refused one is an error in the asker's format.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fastproxy.loadtest import mock_chaos, mock_limits
from fastproxy.loadtest.mock_books import mask
from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_reply import Reply, refusal

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_behaviour import MockOptions
    from fastproxy.loadtest.mock_exchange import Exchange
    from fastproxy.loadtest.mock_routes import Format


class Disturbance:
    """One per process; `started` is the monotonic time from which chaos counts."""

    def __init__(self, options: MockOptions, windows: tuple[mock_chaos.Window, ...], started: float) -> None:
        self._options = options
        self._limits = mock_limits.Limits(options)
        self._chaos = mock_chaos.Chaos((*map(mock_chaos.read_window, options.chaos), *windows))
        self._started = started
        self._debt = 0.0
        self.active = bool(self._chaos.windows or self._limits.active or options.error_rate)

    def apply(self, reply: Reply, exchange: Exchange) -> Reply:
        """The reply, with other limits, or an error instead; chaos may change the exchange's behaviour as well."""
        if not self.active or reply.status != 200 or not reply.endpoint or reply.style is None:
            return reply
        if self._limits.active:
            reply = self._limit(reply, reply.style, exchange)
        if self._chaos.windows and reply.status == 200:
            reply = self._trouble(reply, reply.style or "openai", exchange)
        if reply.status == 200 and self._unlucky():
            fault = Fault(self._options.error_status, exchange.behaviour.message)
            return _instead(reply, reply.style or "openai", fault)
        return reply

    def _limit(self, reply: Reply, style: Format, exchange: Exchange) -> Reply:
        verdict = self._limits.take(reply.key, reply.tally.prompt + reply.tally.output, exchange.clock)
        if verdict is None:
            return reply
        if verdict.wait:
            wait = int(verdict.wait) + 1
            text = f"Rate limit reached on {verdict.which} per minute for {mask(reply.key)}. Try again in {wait}s."
            reply = _instead(reply, style, Fault(429, text, code="rate_limit_exceeded", retry_after=wait))
        return replace(reply, limits=mock_limits.fields(style, verdict, exchange.now))

    def _trouble(self, reply: Reply, style: Format, exchange: Exchange) -> Reply:
        window = self._chaos.now(exchange.clock - self._started)
        if window is None:
            return reply
        pieces = len(reply.pieces) if reply.stream else 2
        exchange.behaviour = mock_chaos.apply(window, exchange.behaviour, pieces, exchange.rng)
        if not exchange.behaviour.status:
            return reply
        return _instead(reply, style, Fault(exchange.behaviour.status, exchange.behaviour.message))

    def _unlucky(self) -> bool:
        """True for `error_rate` of the calls, spread evenly and without chance."""
        self._debt += self._options.error_rate
        if self._debt < 1:
            return False
        self._debt -= 1
        return True


def _instead(reply: Reply, style: Format, fault: Fault) -> Reply:
    return refusal(style, fault, key=reply.key, endpoint=reply.endpoint, limits=reply.limits)
