"""The mock provider and, later, the load harness."""
