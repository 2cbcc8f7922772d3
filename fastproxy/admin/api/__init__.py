"""The admin API: one file per resource; each gives a function that builds its routes."""
