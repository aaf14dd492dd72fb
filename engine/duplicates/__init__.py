"""Who is probably the same person: pairs scored field by field, with the evidence for and against."""
