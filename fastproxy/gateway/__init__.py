"""The journey of a request: one file per station, and serve.py, the only one that knows their order."""
