"""Chaos: clients, a provider that keeps books, kills at random moments, and then a look into the ledger.

    python -m bench.chaos --seeds 10 --clients 200 --seconds 20 [--postgresql]

    provider.py   answers chat completions and notes what each request cost
    clients.py    ask, streamed and not; some leave early; all note what they got
    run.py        one seed: start, kill workers, the admin process and the master, stop, compare

What must hold: every request that reached the provider and every reply that a client saw has exactly one row; the
tokens of a reply that came whole are the provider's; what was cut off is marked; sums and roll-ups agree with the rows.
"""
