"""Reads stored runs once, and says what they are: studies, series, metric points, test scores."""
