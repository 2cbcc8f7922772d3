"""Processes: the master that forks and watches, the worker that serves, and what they share."""
