"""The course of a case: who drops out is told, who must run may not; and a real run of the cheapest peer, ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import course, load, memory, processes, streams, targets, traffic
from bench.cases import CASES
from bench.course import Field, Terms
from bench.load import Lane, Scripts
from bench.peers import registry
from bench.peers.peer import Absent, Job
from bench.processes import RunFailed
from bench.serving import until
from bench.targets import Target

if TYPE_CHECKING:
    from pathlib import Path


def fail(reason: str) -> None:
    raise Absent(reason)


def test_a_peer_that_fails_is_out_with_its_reason() -> None:
    field = Field(("nginx", "fastproxy"))
    field.targets = [Target(name, 1, 1) for name in ("nginx", "fastproxy", "caddy")]
    field.lanes = {"caddy": []}
    field.attempt("caddy", lambda: fail("gave  up\nafter a while"))
    assert field.absent == {"caddy": "gave up after a while"}
    assert [target.name for target in field.targets] == ["nginx", "fastproxy"]
    assert field.lanes == {}


def test_without_nginx_or_fastproxy_there_is_no_comparison() -> None:
    with pytest.raises(RunFailed, match="nginx: is not here"):
        Field(("nginx", "fastproxy")).attempt("nginx", lambda: fail("is not here"))


@pytest.mark.parametrize(("close", "more"), [(False, 0), (True, 1)])
def test_a_script_is_written_once_for_each_kind_of_request(tmp_path: Path, close: bool, more: int) -> None:
    scripts = Scripts(tmp_path)
    fields = (("x-portkey-config", '{"a":1}'),)
    path = scripts.of("short", fields, close=close)
    text = path.read_text()
    assert scripts.of("short", fields, close=close) == path != scripts.of("short")
    assert text.count("Connection: close") == more
    assert "x-portkey-config: {\\034a\\034:1}" in text
    assert "for i = 1, 4096 do" in text


def test_huge_requests_are_prepared_in_smaller_number(tmp_path: Path) -> None:
    text = Scripts(tmp_path).of("huge").read_text()
    assert f"for i = 1, {load.SCRIPT_BYTES // traffic.HUGE_BYTES} do" in text


def test_memory_is_read_before_during_and_after(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now, loads, looks = [10], iter([50, 70]), [0]

    def pss(_: int) -> int:
        looks[0] += 1
        return now[0] * memory.MIB

    def run(*_: object) -> Lane:
        now[0], seen = next(loads), looks[0]
        until(lambda: looks[0] > seen + 1)
        now[0] = 20
        return Lane(1, 1, 1, 1, 1, 0)

    monkeypatch.setattr("bench.cpu.pss_bytes", pss)
    monkeypatch.setattr("bench.load.run", run)
    monkeypatch.setattr(memory, "SETTLE_S", 0)
    monkeypatch.setattr(memory, "SAMPLE_S", 0.01)
    seen = memory.measure(Target("x", 1, 1), Scripts(tmp_path), 1, 4)
    assert (seen.idle_mib, seen.loaded_mib, seen.after_mib) == (10, 70, 20)


@pytest.mark.live
@pytest.mark.timeout(60)
def test_fastproxy_does_the_job_and_a_relay_that_keeps_the_key_does_not(tmp_path: Path) -> None:
    processes.write_certificates(tmp_path)
    with targets.upstream(tmp_path, events_per_s=50) as upstream:
        with pytest.raises(RunFailed, match="does not do the job: 200"):
            targets.check(upstream)
        with targets.started(registry.FASTPROXY, tmp_path, Job(upstream.port, unified=True)) as target:
            seen = streams.measure(target, 4, 0.5)
    assert seen.errors == 0
    assert 100 < seen.rate < 300
    assert 0 < seen.first_p50_us <= seen.first_p99_us


@pytest.mark.live
@pytest.mark.timeout(60)
def test_tls_on_both_sides_is_checked_too(tmp_path: Path) -> None:
    processes.write_certificates(tmp_path)
    with targets.upstream(tmp_path, tls=True) as upstream:
        job = Job(upstream.port, upstream_tls=True, client_tls=True)
        with targets.started(registry.FASTPROXY, tmp_path, job) as target:
            assert target.port > 0


def test_scaling_is_skipped_where_cpus_are_few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bench.processes.USABLE", [0, 1])
    case = next(case for case in CASES if case.name == "scaling")
    result = course.run(case, registry.PAIR, tmp_path / "scaling", Terms())
    assert result["ratio"] is None
    assert "needs 4 CPUs" in result["verdict"]
