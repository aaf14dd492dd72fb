"""The console: the command line today; it knows the engine only through its API."""
