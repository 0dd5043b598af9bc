"""Tables to the files people open: the only room that writes outputs."""
