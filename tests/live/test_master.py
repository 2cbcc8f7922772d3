"""The master with real processes, sockets and signals: crash, hang, reload, one more or less, drain, stop, death."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.server import control
from tests.live.toy_gateway import Gateway, Later, LightLoad, alive, get, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_a_killed_worker_is_replaced_and_its_queue_is_served(tmp_path: Path) -> None:
    with Gateway(tmp_path, workers=1) as gateway:
        victim = gateway.workers()[0]
        # a stopped worker accepts nothing: these connections wait in its queue while it is killed
        os.kill(victim, signal.SIGSTOP)
        waiting = [Later(gateway.port, "/") for _ in range(5)]
        until(lambda: queued(gateway.port) == 5)
        os.kill(victim, signal.SIGKILL)
        took = until(lambda: gateway.workers().get(0, victim) != victim)
        print(f"respawned and ready after {took * 1000:.0f} ms")
        assert {later.pid() for later in waiting} == {gateway.workers()[0]}
        assert took < 3
        assert gateway.status()["restarts"] == 1
        assert gateway.status()["workers"][0]["connections"] == 0


def queued(port: int) -> int:
    """Connections to this port that wait in an accept queue, of all sockets, from /proc/net/tcp."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        lines = [line.split() for line in file.readlines()[1:]]
    listening = [line for line in lines if line[3] == "0A" and int(line[1].partition(":")[2], 16) == port]
    return sum(int(line[4].partition(":")[2], 16) for line in listening)


def test_counters_outlive_a_worker_and_gauges_do_not(tmp_path: Path) -> None:
    with Gateway(tmp_path, workers=1) as gateway:
        victim = get(gateway.port)
        later = Later(gateway.port, "/slow/60")
        until(lambda: gateway.status()["workers"][0]["connections"] == 1)
        os.kill(victim, signal.SIGKILL)
        assert later.pid() is None
        assert get(gateway.port) != victim
        until(lambda: gateway.status()["workers"][0]["requests"] == 2)
        assert gateway.status()["workers"][0]["connections"] == 0


def test_a_stopped_worker_is_replaced_and_nobody_waits_longer_than_its_heartbeat(tmp_path: Path) -> None:
    with Gateway(tmp_path, workers=2, heartbeat=1.0) as gateway:
        victim = gateway.workers()[0]
        os.kill(victim, signal.SIGSTOP)
        started = time.monotonic()
        waiting = [Later(gateway.port, "/") for _ in range(20)]
        until(lambda: gateway.workers().get(0, victim) != victim)
        print(f"replaced after {time.monotonic() - started:.2f} s")
        assert None not in {later.pid() for later in waiting}
        assert time.monotonic() - started < 6
        assert not alive(victim)
        assert gateway.status()["hangs"] == 1


def test_a_paused_machine_kills_nobody(tmp_path: Path) -> None:
    with Gateway(tmp_path, workers=2, heartbeat=1.0) as gateway:
        before = gateway.workers()
        everybody = [gateway.process.pid, *before.values()]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        oldest = time.monotonic()
        until(lambda: time.monotonic() - oldest > 1.5)
        for pid in everybody:  # the master first: it sees old heartbeats at once
            os.kill(pid, signal.SIGCONT)
        until(lambda: all(worker["heartbeat_age_ms"] < 500 for worker in gateway.status()["workers"]))
        assert gateway.workers() == before
        assert gateway.status()["hangs"] == 0


def test_reload_publishes_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.snapshot(b"two")
        assert control.reload(str(tmp_path)) == 2
        assert [worker["generation"] for worker in gateway.status()["workers"]] == [2, 2]
        gateway.snapshot(b"bad")
        with pytest.raises(control.ReloadFailed, match="refused"):
            control.reload(str(tmp_path))
        assert gateway.status()["generation"] == 2
        assert "toy.yaml:1:2: nothing good" in gateway.said()
        assert get(gateway.port) in gateway.workers().values()


def test_one_more_and_one_less_lose_no_connection(tmp_path: Path) -> None:
    with Gateway(tmp_path, workers=2) as gateway, LightLoad(gateway.port) as load:
        for number, expected in [(signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1), (signal.SIGTTIN, 2)]:
            load.grows_by(20)
            gateway.signal(number)
            gateway.has_workers(expected)
        load.grows_by(20)
    assert load.failures == []
    assert load.good > 100


@pytest.mark.parametrize(
    ("number", "times", "said"),
    [(signal.SIGTTIN, 3, "no free slot for one more worker: 4"), (signal.SIGTTOU, 2, "the last worker stays")],
)
def test_workers_stay_between_one_and_capacity(tmp_path: Path, number: signal.Signals, times: int, said: str) -> None:
    with Gateway(tmp_path, workers=2) as gateway:
        for _ in range(times):
            lines = gateway.said().count("\n")
            gateway.signal(number)
            gateway.says_more_than(lines)
        until(lambda: said in gateway.said())
        assert get(gateway.port) in gateway.workers().values()


def test_term_lets_a_slow_exchange_finish_and_refuses_new_ones(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        port = gateway.port
        later = Later(port, "/slow/1")
        until(lambda: sum(worker["connections"] for worker in gateway.status()["workers"]) == 1)
        gateway.signal(signal.SIGTERM)
        until(lambda: not listens(port), within=0.9)
        assert later.pid() is not None
        assert gateway.process.wait(5) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bound.json", "identity", "log", "snapshot"]


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_an_exchange_beyond_the_drain_deadline_is_cut(tmp_path: Path) -> None:
    with Gateway(tmp_path, drain=0.0) as gateway:
        later = Later(gateway.port, "/slow/60")
        until(lambda: sum(worker["connections"] for worker in gateway.status()["workers"]) == 1)
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(6) == 0
        assert later.pid() is None
        assert "did not stop in time, killed" in gateway.said()


@pytest.mark.parametrize(
    "numbers", [(signal.SIGQUIT,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGQUIT)]
)
def test_stop_now(tmp_path: Path, numbers: tuple[signal.Signals, ...]) -> None:
    with Gateway(tmp_path, drain=60) as gateway:
        later = Later(gateway.port, "/slow/60")
        until(lambda: sum(worker["connections"] for worker in gateway.status()["workers"]) == 1)
        for number in numbers[:-1]:
            gateway.signal(number)
            until(lambda: "draining" in gateway.said())
        gateway.signal(numbers[-1])
        assert gateway.process.wait(3) == 0
        assert later.pid() is None


def test_workers_leave_a_dead_master_and_the_next_one_gets_the_port(tmp_path: Path) -> None:
    with Gateway(tmp_path) as first:
        port, pids = first.port, [*first.workers().values(), first.status()["admin"]]
        first.process.kill()
        first.process.wait()
        (tmp_path / "bound.json").unlink()
        with Gateway(tmp_path, listen=[["127.0.0.1", port]]) as second:
            assert get(port) in second.workers().values()
            until(lambda: not any(alive(pid) for pid in pids))
            assert sorted(path.name for path in tmp_path.glob("arena.*")) == [f"arena.{second.process.pid}"]


def ends_with(gateway: Gateway) -> int:
    return gateway.process.wait(9)


def test_a_port_in_use_is_exit_code_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = Gateway(tmp_path, listen=[["127.0.0.1", port]])
        assert ends_with(gateway) == 3
    assert f"cannot listen on 127.0.0.1:{port}: the address is in use" in gateway.said()
    assert not (tmp_path / "fastproxy.pid").exists()


def test_another_gateway_on_the_port_is_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Gateway(tmp_path) as first:
        second = Gateway(tmp_path / "other", listen=[["127.0.0.1", first.port]])
        assert ends_with(second) == 3


def test_a_second_master_in_one_state_dir_is_exit_code_5(tmp_path: Path) -> None:
    with Gateway(tmp_path) as first:
        second = Gateway(tmp_path)
        assert ends_with(second) == 5
        assert f"another master runs in {tmp_path}, pid {first.process.pid}" in second.said()
        assert first.status()["master"] == first.process.pid


def test_workers_that_die_at_start_are_exit_code_4(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, worker="dies")
    assert ends_with(gateway) == 4
    deaths = re.findall(r"worker (\d) .*died, exit 7", gateway.said())
    assert max(deaths.count("0"), deaths.count("1")) == 5
    assert not list(tmp_path.glob("arena.*"))


def test_ipv6_and_unix_sockets_are_served_by_all_slots(tmp_path: Path) -> None:
    path = str(tmp_path / "toy.sock")
    with Gateway(tmp_path, listen=[["127.0.0.1", 0], ["::1", 0], path]) as gateway:
        bound = gateway.bound()
        assert get(int(bound[1].removeprefix("[::1]:")), host="::1") in gateway.workers().values()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(bound[2].removeprefix("unix:"))
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert int(sock.makefile("rb").read().rpartition(b"\r\n\r\n")[2]) in gateway.workers().values()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(5) == 0
        assert not os.path.exists(path)


def test_systemd_sockets_are_shared_by_all_slots(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given, Gateway(tmp_path, given=given.fileno()) as gateway:
        port = given.getsockname()[1]
        assert gateway.port == port
        gateway.signal(signal.SIGTTOU)
        until(lambda: len(gateway.workers()) == 1)
        assert {get(port) for _ in range(10)} == {gateway.workers()[0]}


def test_systemd_is_told_what_happens(tmp_path: Path) -> None:
    name = f"\0fastproxy-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(name)
        ear.settimeout(5)
        with Gateway(tmp_path, environ={"NOTIFY_SOCKET": "@" + name[1:], "WATCHDOG_USEC": "100000"}) as gateway:
            heard = [ear.recv(4096)]
            while b"READY=1" not in heard[-1]:
                heard.append(ear.recv(4096))
            gateway.signal(signal.SIGHUP)
            while not heard[-1].startswith(b"RELOADING=1\nMONOTONIC_USEC="):
                heard.append(ear.recv(4096))
            gateway.signal(signal.SIGTERM)
            while heard[-1] != b"STOPPING=1":
                heard.append(ear.recv(4096))
    assert b"WATCHDOG=1" in heard


def test_a_child_of_somebody_else_is_reaped_and_ignored(tmp_path: Path) -> None:
    """As process 1 the master inherits orphans; here it has a child from before it was a master."""
    with Gateway(tmp_path, stranger=True) as gateway:
        done = subprocess.run(
            ["ps", "-o", "stat=,pid=", "--ppid", str(gateway.process.pid)], capture_output=True, text=True, check=True
        )
        assert "Z" not in done.stdout
        assert len(gateway.workers()) == 2


def test_workers_are_pinned_on_request_only(tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    with Gateway(tmp_path, workers=2, pin=True) as gateway:
        expected = {slot: {cpus[slot % len(cpus)]} for slot in (0, 1)}
        assert {slot: os.sched_getaffinity(pid) for slot, pid in gateway.workers().items()} == expected
        assert os.sched_getaffinity(gateway.process.pid) == set(cpus)
