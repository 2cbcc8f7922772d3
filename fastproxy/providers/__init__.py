"""The vendor catalogue: mostly data."""
