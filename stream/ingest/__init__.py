"""Records on their way in: read from topics, files or spans, and put into the session they belong to."""
