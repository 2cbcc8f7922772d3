"""What a run showed, for people and for machines: live view, summary, JSON, CSV, Markdown, HTML."""
