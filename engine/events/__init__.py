"""The event log: one append-only file, searched by one grammar in the console and on the command line."""
