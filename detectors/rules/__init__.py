"""Rules that fit no chain, one file each."""
