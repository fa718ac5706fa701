"""What makes files of this repository, once in a while and by hand; no part of the program."""
