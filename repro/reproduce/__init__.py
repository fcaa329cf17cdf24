"""The matrix: which runs make a study, which of them are there, and running those that are missing."""
