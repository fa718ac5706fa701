"""What normal looks like for a role, and how it is learned from recorded sessions; pure."""
