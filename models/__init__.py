"""What chainbrake describes: events, sessions, findings, commands, acknowledgements and baselines; pure."""
