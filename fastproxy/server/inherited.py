"""Listening sockets that this process was born with, and how a master hands its own to a successor.

Two sources, told apart by the environment:
- FASTPROXY_SOCKETS, from a predecessor (USR2): {"link": fd, "unix": [path], "sockets": [[role, slot, address, fd]]}
  in JSON; the role of the workers is "", addresses are those of the configuration (so a port 0 finds its port again).
- LISTEN_FDS and LISTEN_PID, from systemd: descriptors 3, 4, ... They are matched to the configured addresses by what
  they are bound to; those that match none serve the workers' remaining addresses in order. Fewer descriptors than slots
  are shared by all slots.
"""

from __future__ import annotations

import json
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.server.plan import Address, MasterPlan
    from fastproxy.server.sockets import Listeners

VARIABLE: Final = "FASTPROXY_SOCKETS"
_SYSTEMD: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
_FIRST_SYSTEMD_FD: Final = 3

_log = logging.getLogger("fastproxy")


@dataclass(slots=True)
class Inherited:
    """`groups`: the sockets of a (role, address) by slot; `shared`: addresses whose sockets serve several slots."""

    groups: dict[tuple[str, str], list[socket.socket]] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    unix_paths: list[str] = field(default_factory=list)
    strangers: list[socket.socket] = field(default_factory=list)
    link: socket.socket | None = None  # to the predecessor
    _taken: set[tuple[str, str]] = field(default_factory=set)

    @property
    def from_master(self) -> bool:
        return self.link is not None

    @property
    def slots(self) -> int:
        """How many slots must have an owner, so that none of these sockets is left alone."""
        return max((len(group) for (role, _), group in self.groups.items() if role == ""), default=0)

    def take(self, role: str, slot: int, address: Address) -> socket.socket | None:
        """The socket of this place. None: there is none, open one."""
        key = (role, str(address))
        group = self.groups.get(key, [])
        if slot >= len(group) and key[1] not in self.shared:
            return None
        self._taken.add(key)
        return group[slot % len(group)]

    def close_rest(self) -> None:
        """Close what the configuration has no place for. A predecessor serves it until it has drained."""
        left = {sock for key, group in self.groups.items() if key not in self._taken for sock in group}
        for sock in left.union(self.strangers):
            _log.warning("inherited socket %s is not in the configuration, closed", sock.getsockname())
            sock.close()


def inherit(plan: MasterPlan, pid: int) -> Inherited:
    """Find what the environment announces for process `pid`; an empty Inherited when it announces nothing."""
    announced = plan.environ.get(VARIABLE)
    if announced:
        return _from_master(announced)
    if plan.environ.get("LISTEN_PID") == str(pid):
        return _from_systemd(plan, int(plan.environ.get("LISTEN_FDS", "0")))
    return Inherited()


def hand_over(listeners: Listeners, plan: MasterPlan, link: int) -> tuple[dict[str, str], list[int]]:
    """The environment for a successor and the descriptors that it must keep."""
    entries: list[tuple[str, int, str, int]] = [
        ("", slot, str(address), sock.fileno())
        for slot, group in enumerate(listeners.slots)
        for address, sock in zip(plan.listen, group, strict=True)
    ]
    entries += [
        (role.name, 0, str(address), sock.fileno())
        for role in plan.roles
        for address, sock in zip(role.listen, listeners.own.get(role.name, ()), strict=True)
    ]
    environ = without_inheritance(plan.environ)
    environ[VARIABLE] = json.dumps({"link": link, "unix": listeners.unix_paths, "sockets": entries})
    return environ, sorted({entry[3] for entry in entries} | {link})


def without_inheritance(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that inherits nothing."""
    return {name: value for name, value in environ.items() if name != VARIABLE and name not in _SYSTEMD}


def _from_master(announced: str) -> Inherited:
    told = json.loads(announced)
    inherited = Inherited(link=_adopt(told["link"]), unix_paths=told["unix"])
    objects = {descriptor: _adopt(descriptor) for descriptor in {entry[3] for entry in told["sockets"]}}
    for role, _, address, descriptor in told["sockets"]:
        group = inherited.groups.setdefault((role, address), [])
        if objects[descriptor] in group:
            inherited.shared.add(address)
        group.append(objects[descriptor])
    return inherited


def _from_systemd(plan: MasterPlan, count: int) -> Inherited:
    found = [_adopt(descriptor) for descriptor in range(_FIRST_SYSTEMD_FD, _FIRST_SYSTEMD_FD + count)]
    inherited = Inherited()
    for role in plan.roles:
        for address in role.listen:
            _give(inherited, role.name, address, _pop_matching(found, address))
    for address in plan.listen:
        _give(inherited, "", address, _pop_matching(found, address))
    for address in plan.listen:
        if found and ("", str(address)) not in inherited.groups:
            _give(inherited, "", address, [found.pop(0)])
    inherited.strangers = found
    return inherited


def _give(inherited: Inherited, role: str, address: Address, sockets: list[socket.socket]) -> None:
    if sockets:
        inherited.groups[role, str(address)] = sockets
        inherited.shared.add(str(address))


def _pop_matching(found: list[socket.socket], address: Address) -> list[socket.socket]:
    matching = [sock for sock in found if _is_bound_to(sock, address)]
    found[:] = [sock for sock in found if sock not in matching]
    return matching


def _is_bound_to(sock: socket.socket, address: Address) -> bool:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return bool(name == address.unix)
    return address.unix is None and tuple(name[:2]) == (address.host, address.port)


def _adopt(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock
