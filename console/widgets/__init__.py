"""What the screens are built of: painted lines, virtual lists, a filter line."""
