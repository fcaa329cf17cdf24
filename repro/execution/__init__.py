"""One run, from its config to its record: the Sacred experiment, what it does, what it takes from earlier runs."""
