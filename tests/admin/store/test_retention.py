"""Every table has a rule for its rows' life, and every rule that removes rows can be carried out."""

from __future__ import annotations

from dataclasses import fields

import pytest
from sqlalchemy import BigInteger, Table

from fastproxy.admin.store.ledger_tables import ledger_metadata
from fastproxy.admin.store.retention import RETENTION
from fastproxy.admin.store.tables import config_metadata
from fastproxy.config import Retention

TABLES: dict[str, Table] = {**config_metadata.tables, **ledger_metadata.tables}


def test_no_table_grows_for_ever_by_oversight() -> None:
    assert set(RETENTION) == set(TABLES)
    assert not config_metadata.tables.keys() & ledger_metadata.tables.keys(), "they may share a database"
    assert all(rule.reason for rule in RETENTION.values())


@pytest.mark.parametrize("name", sorted(name for name, rule in RETENTION.items() if rule.setting))
def test_a_rule_names_a_setting_and_an_indexed_time(name: str) -> None:
    """Without an index each batch would read the whole table."""
    rule, table = RETENTION[name], TABLES[name]
    assert rule.setting in {item.name for item in fields(Retention)}
    assert isinstance(table.c[rule.column].type, BigInteger)
    assert {column for column, _ in rule.where} <= set(table.c.keys())
    leading = {index.columns.keys()[0] for index in table.indexes} | {next(iter(table.primary_key.columns)).name}
    filtered = {column for column, _ in rule.where}
    assert rule.column in leading or leading & filtered


def test_every_setting_is_used_by_a_rule() -> None:
    assert {rule.setting for rule in RETENTION.values()} - {""} == {item.name for item in fields(Retention)}
