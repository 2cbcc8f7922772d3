"""The load generator: what to send and when, sending it, and what it showed."""
