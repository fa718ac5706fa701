"""What people set chainbrake up with: settings, keys, and the files of rules and baselines."""
