"""Benchmarks: time and memory of the kit, always compared with a named peer or limit, measured in the same run.

A benchmark is a file here with a function `measure(repeats) -> Iterator[Comparison]` and REPEATS, how often it measures
unless told; its name is the file's, and the first line of its text says what it asks. Nothing imports this room.
"""
