"""Opening, sharing and inheriting listening sockets, in one process."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.binding import CannotListen, bound_address
from fastproxy.server.inherited import VARIABLE, Inherited, hand_over, inherit, without_inheritance
from fastproxy.server.plan import Address, MasterPlan, Publication, Role
from fastproxy.server.sockets import Listeners, capacity, open_listeners

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fastproxy.server.seat import Seat

ANY = Address("127.0.0.1", 0)


def do_nothing(seat: Seat) -> None:
    """A role that is never run here."""


def plan(*listen: Address, workers: int = 1, own: tuple[Address, ...] = ()) -> MasterPlan:
    roles = (Role("worker", do_nothing, workers, sockets=True), Role("admin", do_nothing, listen=own))
    return MasterPlan(roles, listen, "unused", Publication(b""), lambda: Publication(b""), ("python",), {})


def listens(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


@pytest.fixture
def opened() -> Iterator[list[Listeners]]:
    """Closed at the end of the test, whatever happens."""
    found: list[Listeners] = []
    yield found
    for listeners in found:
        listeners.close(unlink=True)


@pytest.mark.parametrize(
    ("workers", "inherited", "expected"), [(1, 0, 4), (2, 0, 4), (3, 0, 6), (1, 10, 10), (40, 0, 64), (64, 64, 64)]
)
def test_capacity(workers: int, inherited: int, expected: int) -> None:
    assert capacity(workers, inherited) == expected


def test_each_slot_has_its_own_socket_on_one_port(opened: list[Listeners]) -> None:
    listeners = open_listeners(plan(ANY, Address("::1", 0), workers=3), Inherited())
    opened.append(listeners)
    assert [len(group) for group in listeners.slots] == [2] * 6
    for place in (0, 1):
        group = [slot[place] for slot in listeners.slots]
        assert len({sock.fileno() for sock in group}) == 6
        assert len({bound_address(sock) for sock in group}) == 1
        assert all(listens(sock) and not sock.getblocking() for sock in group)
    assert listeners.bound("worker")["worker"][1].startswith("[::1]:")


def test_unix_sockets_are_shared_by_slots_and_removed_at_the_end(tmp_path: Path) -> None:
    path, own = str(tmp_path / "a"), str(tmp_path / "b")
    listeners = open_listeners(plan(Address(unix=path), own=(Address(unix=own),)), Inherited())
    assert len({group[0].fileno() for group in listeners.slots}) == 1
    assert listeners.bound("worker") == {"worker": (f"unix:{path}",), "admin": (f"unix:{own}",)}
    listeners.close(unlink=True)
    assert list(tmp_path.iterdir()) == []


def test_the_socket_file_of_a_dead_process_gives_way(tmp_path: Path, opened: list[Listeners]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "a"))
    opened.append(open_listeners(plan(Address(unix=str(tmp_path / "a"))), Inherited()))


def live_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock


def test_what_cannot_be_listened_on_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with socket.create_server(("127.0.0.1", 0)) as taken, live_unix(tmp_path / "live"):
        port = taken.getsockname()[1]
        cases = [
            (Address("127.0.0.1", port), f"127.0.0.1:{port}: the address is in use by another process"),
            (Address(unix=str(tmp_path / "live")), "/live: the address is in use by another process"),
            (Address(unix=str(tmp_path / "file")), "/file: the address is in use by another process"),
            (Address(unix=str(tmp_path / "no" / "dir")), "/no/dir: no such file or directory"),
            (Address("192.0.2.1", 0), "192.0.2.1:0: cannot assign requested address"),
            (Address("no host", 80), "no host:80: "),
        ]
        for address, text in cases:
            with pytest.raises(CannotListen, match=text) as refused:
                open_listeners(plan(ANY, address), Inherited())
            assert refused.value.exit_code == 3
    assert (tmp_path / "live").exists()
    assert (tmp_path / "file").exists()


def test_a_busy_port_is_waited_for_when_its_holder_is_leaving(opened: list[Listeners]) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    address = Address("127.0.0.1", taken.getsockname()[1])
    pid = os.fork()
    if pid == 0:
        select.select([], [], [], 0.3)  # an orphan that has not yet seen that its master is dead
        os._exit(0)
    taken.close()
    started = time.monotonic()
    opened.append(open_listeners(plan(address), Inherited(), patience=5))
    assert time.monotonic() - started > 0.2
    os.waitpid(pid, 0)


def successor_of(listeners: Listeners, old: MasterPlan, new: MasterPlan) -> Inherited:
    """What a process would inherit: the same descriptors, under new numbers."""
    link, other = socket.socketpair()
    other.close()
    environ, descriptors = hand_over(listeners, old, link.fileno())
    assert descriptors == sorted({sock.fileno() for sock in listeners.all()} | {link.fileno()})
    told = json.loads(environ[VARIABLE])
    copies = {number: os.dup(number) for number in descriptors}
    told["link"] = copies[told["link"]]
    told["sockets"] = [[*entry[:3], copies[entry[3]]] for entry in told["sockets"]]
    link.close()
    return inherit(with_environ(new, {VARIABLE: json.dumps(told)}), os.getpid())


def with_environ(old: MasterPlan, environ: Mapping[str, str]) -> MasterPlan:
    return MasterPlan(old.roles, old.listen, old.state_dir, old.first, old.reload, old.argv, environ)


@pytest.mark.parametrize(("workers", "slots", "silent"), [(1, 6, set()), (3, 6, set()), (5, 10, {6, 7, 8, 9})])
def test_a_successor_gives_every_inherited_socket_a_slot(
    tmp_path: Path, opened: list[Listeners], workers: int, slots: int, silent: set[int]
) -> None:
    listen, own = (ANY, Address(unix=str(tmp_path / "a"))), (ANY,)
    old = plan(*listen, workers=3, own=own)
    first = open_listeners(old, Inherited())
    new = plan(*listen, workers=workers, own=own)
    inherited = successor_of(first, old, new)
    second = open_listeners(new, inherited)
    opened += [first, second]
    assert inherited.link is not None
    inherited.link.close()
    assert len(second.slots) == slots
    assert second.silent == silent
    assert second.bound("worker") == first.bound("worker")
    assert second.unix_paths == first.unix_paths
    assert len({group[1].fileno() for group in second.slots}) == 1
    assert [listens(group[0]) for group in second.slots] == [slot not in silent for slot in range(slots)]
    second.listen_on_all()
    assert all(listens(group[0]) for group in second.slots)


def test_an_address_that_is_gone_is_closed(opened: list[Listeners], caplog: pytest.LogCaptureFixture) -> None:
    gone = Address("::1", 0)
    old, new = plan(ANY, gone), plan(ANY)
    first = open_listeners(old, Inherited())
    inherited = successor_of(first, old, new)
    opened += [first, open_listeners(new, inherited)]
    assert inherited.link is not None
    inherited.link.close()
    assert all(sock.fileno() == -1 for sock in inherited.groups["", str(gone)])
    assert "is not in the configuration, closed" in caplog.text


def test_descriptors_of_systemd_go_to_their_addresses_and_then_in_order(
    opened: list[Listeners], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [socket.create_server(("127.0.0.1", 0), reuse_port=True) for _ in range(4)]
    first = 700  # beyond whatever other tests hold; systemd's own are in a row
    numbers = [os.dup2(sock.fileno(), first + place) for place, sock in enumerate(given)]
    for sock in given:
        sock.close()
    monkeypatch.setattr("fastproxy.server.inherited._FIRST_SYSTEMD_FD", first)
    ports = [socket.socket(fileno=os.dup(number)) for number in numbers]
    address = [Address(*sock.getsockname()) for sock in ports]
    for sock in ports:
        sock.close()
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "4"}
    wanted = with_environ(plan(Address("0.0.0.0", 8080), address[2], own=(address[1],)), environ)
    listeners = open_listeners(wanted, inherit(wanted, os.getpid()))
    opened.append(listeners)
    assert {tuple(map(bound_address, group)) for group in listeners.slots} == {(str(address[0]), str(address[2]))}
    assert listeners.bound("worker")["admin"] == (str(address[1]),)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(numbers[3])


@pytest.mark.parametrize("environ", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "2"}, {"LISTEN_FDS": "2"}])
def test_descriptors_meant_for_another_process_are_left_alone(environ: dict[str, str]) -> None:
    inherited = inherit(with_environ(plan(ANY), environ), os.getpid())
    assert inherited.groups == {}
    assert not inherited.from_master


def test_a_role_gets_an_environment_that_inherits_nothing() -> None:
    environ = {VARIABLE: "{}", "LISTEN_FDS": "1", "LISTEN_PID": "2", "LISTEN_FDNAMES": "x", "HOME": "h"}
    assert without_inheritance(environ) == {"HOME": "h"}
