"""AI wire formats, sans-I/O: paths, usage, errors, and a look into bodies."""
