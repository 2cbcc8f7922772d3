"""From what is configured, in the file and in the database, to what workers work with."""
