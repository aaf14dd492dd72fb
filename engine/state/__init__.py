"""What the engine must not forget: links, intents, items, decisions, runs, events bound for the log."""
