"""Which runs make a study, what they cost, and the status of each."""
