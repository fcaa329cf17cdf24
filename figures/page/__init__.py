"""The results folder: every table and figure with its files and provenance, and the page that shows them all."""
