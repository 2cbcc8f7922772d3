"""Each variable gives what its name says; chance follows the seed where a run must be repeatable, and only there."""

from __future__ import annotations

import re
import time
import uuid

import pytest

from fastproxy.loadtest.load.template import Template
from fastproxy.loadtest.load.variables import Values

DATA = {"users": ("ann", "bob", "cy")}


def filled(text: str, values: Values, number: int = 0) -> str:
    values.begin(number)
    return Template(text, DATA).fill(values).decode()


def test_numbers_of_request_and_process() -> None:
    assert filled("{{n}} of {{process}}", Values(1, process=3), 17) == "17 of 3"


def test_random_stays_in_its_range_and_reaches_both_ends() -> None:
    values = Values(1)
    assert {filled("{{random:-1:2}}", values) for _ in range(200)} == {"-1", "0", "1", "2"}


def test_choice_reaches_all_and_one_choice_is_a_constant() -> None:
    values = Values(1)
    assert {filled("{{choice:a|b c|}}", values) for _ in range(100)} == {"a", "b c", ""}
    assert Template("x{{choice:a}}y").static == b"xay"


def test_lines_follow_each_other_and_begin_again() -> None:
    values = Values(5)
    seen = [filled("{{line:users}}", values, number) for number in range(7)]
    start = DATA["users"].index(seen[0])
    assert seen == [DATA["users"][(start + step) % 3] for step in range(7)]
    assert len({filled("{{line:users}}", Values(seed)) for seed in range(30)}) == 3
    assert filled("{{line:users}}-{{line:users}}", values) in {"ann-ann", "bob-bob", "cy-cy"}


def test_text_has_so_many_words() -> None:
    values = Values(1)
    assert len(filled("{{text:12}}", values).split()) == 12
    assert {len(filled("{{text:3:5}}", values).split()) for _ in range(100)} == {3, 4, 5}


def test_the_seed_decides_what_a_run_repeats() -> None:
    text = "{{random:1:1000000}} {{text:9}} {{line:users}} {{choice:a|b|c|d}}"
    runs = [[filled(text, values, number) for number in range(5)] for values in (Values(9), Values(9), Values(8))]
    assert runs[0] == runs[1] != runs[2]
    assert len(set(runs[0])) == 5


@pytest.mark.parametrize("text", ["{{uuid}}", "{{traceparent}}"])
def test_ids_are_never_the_same(text: str) -> None:
    assert len({filled(text, Values(1)) for _ in range(50)}) == 50


def test_ids_are_well_formed() -> None:
    values = Values(1)
    for _ in range(50):
        found = uuid.UUID(filled("{{uuid}}", values))
        assert (found.version, found.variant) == (4, uuid.RFC_4122)
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", filled("{{traceparent}}", values))


def test_the_time_is_now() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= int(filled("{{time_ms}}", Values(1))) <= time.time_ns() // 1_000_000


def test_the_number_brings_everything_back() -> None:
    template = Template("{{uuid}} {{random:1:1000000}} {{text:20}} {{line:users}}", DATA)
    values = Values(1)

    def again(number: int) -> bytes:
        values.begin_again(number)
        return template.fill(values)

    assert again(4) == again(4) != again(5)
