"""Documents, written as JSON, Markdown and HTML; independent of models and studies."""
