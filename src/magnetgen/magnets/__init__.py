"""Lead magnets: one Markdown file → what a lead receives (PDF, EPUB, calendar file) and what tells of it."""
