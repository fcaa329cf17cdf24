"""Stored runs executed again, and compared number by number."""
