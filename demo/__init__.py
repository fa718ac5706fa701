"""Eight agents, one of them rogue, on a real broker and store: the chain is cut in front of your eyes."""
