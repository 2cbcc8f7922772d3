"""The ledger: what the workers wrote into their journals, exactly once in a database, with the sums of it."""
