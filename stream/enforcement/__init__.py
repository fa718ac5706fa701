"""From what was decided to what was stopped: commands, the ledger of their acknowledgements, hooks."""
