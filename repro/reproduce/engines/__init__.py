"""Running the missing cells of a study: several at once, on one machine or on many."""
