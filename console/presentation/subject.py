"""What a key acts on: the record, item or run under the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Subject:
    """`id` is the record's ERP key, or its Edusign id where it has none. `item`: an ItemView."""

    connection: str = ""
    kind: str = ""
    id: str = ""
    label: str = ""
    run: str = ""
    item: Any = None

    @property
    def record(self) -> str:
        """`learner:ab12`, as the log's grammar and `--only` take it; "" where no record is meant."""
        return f"{self.kind}:{self.id}" if self.kind and self.id else ""

    @property
    def log_query(self) -> str:
        """The query that shows its history."""
        if self.item is not None and self.item.type == "hold":
            return f"hold:{quoted(self.item.id)}"
        if self.record:
            connection = f" connection:{quoted(self.connection)}" if self.connection else ""
            return f"{self.kind}:{quoted(self.id)}{connection}"
        return f"run:{quoted(self.run)}" if self.run else ""


def quoted(value: str) -> str:
    """A value as the grammar reads it back."""
    if value and all(c.isalnum() or c in "-_./" for c in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
