"""Commands that open the database themselves, with or without a running gateway: `fastproxy db`, `key`, `ledger`."""
