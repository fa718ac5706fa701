"""Where baselines are kept, who put which of them to work, and how workers hear of it."""
