"""The study: its cells, their status, and the execution of missing ones."""
