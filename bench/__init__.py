"""Side-by-side measurements with other proxies on one core, and how to read them: see README.md in this folder."""
