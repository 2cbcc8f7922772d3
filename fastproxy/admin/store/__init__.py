"""The database: SQLite in a file of the state directory, or PostgreSQL.

engine.py   opening, closing, errors     schema.py         versions of the tables, and the way between them
tables.py   the configuration's tables   ledger_tables.py  the ledger's
dialect.py  what the two spell differently
retention.py  how long every table keeps its rows

Only the admin process and the commands db, key and ledger open it; workers and the master never do.
"""
