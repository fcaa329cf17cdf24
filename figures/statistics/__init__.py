"""Numbers over seeds and pairs: means, intervals, differences, tests."""
