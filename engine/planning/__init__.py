"""The pure core: what is accepted, who is who, what to write, in which order, and what must wait."""
