"""How well a baseline tells honest sessions from others, as numbers and as a report."""
