"""Our own: events that know their session, and facts of the control plane."""
