"""Documents, and what they look like as JSON, Markdown and HTML. Knows no model and no study."""
