"""Evidence on the land: what was looked at, what it shows, what was not looked at. Never a verdict."""
