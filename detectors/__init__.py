"""What judges: chains, rules, learned detectors, risk, policy and the fold that joins them; pure."""
