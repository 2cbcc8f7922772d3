"""What an operator says of a model is checked before a worker sees it."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.config import load
from fastproxy.errors import ConfigError
from fastproxy.publish.compose import make_snapshot


def snapshot_facts(tmp_path: Any, text: str) -> Any:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return make_snapshot(load({"config": str(file)}, {})).snapshot.facts


def test_facts_reach_the_workers(tmp_path: Any) -> None:
    text = "models: [{name: 'mine*', facts: {like: gpt-5, drop_fields: [seed], max_output: 8}}, {name: other}]"
    assert snapshot_facts(tmp_path, text) == {"mine*": {"like": "gpt-5", "drop_fields": ["seed"], "max_output": 8}}


@pytest.mark.parametrize(
    "fact", ["max_output: many", "thinks: yes", "thinking: often", "drop_fields: seed", "default_max_output: 0"]
)
def test_what_is_no_fact_is_refused_with_its_model(tmp_path: Any, fact: str) -> None:
    with pytest.raises(ConfigError, match=r"models\.mine\.facts: facts of a model: "):
        snapshot_facts(tmp_path, f"models: [{{name: mine, facts: {{{fact}}}}}]")
