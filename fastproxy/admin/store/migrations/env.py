"""Alembic runs this file for every command; schema.py says for which tables, on which connection."""

from __future__ import annotations

from alembic import context

_given = context.config.attributes
context.configure(connection=_given["connection"], **_given["chain"].options())
with context.begin_transaction():
    context.run_migrations()
