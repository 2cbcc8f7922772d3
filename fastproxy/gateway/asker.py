"""Who asks: an exchange, or the lane that stands in for one. What they have in common, for those who serve both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.table import Attempt, Key, Table
    from fastproxy.gateway.world import World


class Asker(Protocol):
    """One client request under way."""

    @property
    def world(self) -> World: ...
    @property
    def table(self) -> Table: ...
    @property
    def key(self) -> Key | None: ...
    @property
    def model(self) -> str: ...
    @property
    def operation(self) -> Operation | None: ...

    def name(self) -> bytes:
        """The request's id."""

    def the_attempt(self) -> Attempt:
        """The one in hand."""
