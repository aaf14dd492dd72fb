"""The sync engine: it knows records, rules and time, and neither vendor nor screen."""
