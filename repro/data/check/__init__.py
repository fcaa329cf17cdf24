"""Does a data set leak? Duplicates, shared patients and lesions, and a report that a person can read."""
