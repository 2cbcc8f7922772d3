"""Plugins, one file each. None in this version."""
