"""A real browser for the documentation page."""
