"""What a provider's operations mean for identity: one data file per provider, and how it is read."""
