"""Lines painted cell by cell: only what changed since the last paint is sent to the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from console.presentation.columns import display_width
from console.presentation.line import Line, Span, apart, fitted, width_of
from console.themes import role_styles


class Painted(Widget):
    """A widget whose lines are `Line`s. Subclasses say what stands on each row of it by `line_at`."""

    ALLOW_SELECT = False
    _plain: Style | None = None

    def notify_style_update(self) -> None:
        self._plain = None
        super().notify_style_update()

    @property
    def plain(self) -> Style:
        """How text of no role looks here; kept, since it is made from the styles of all ancestors."""
        if self._plain is None:
            self._plain = self.rich_style
        return self._plain

    def line_at(self, y: int) -> Line:
        """The line on row `y` of the widget."""
        raise NotImplementedError

    def strip(self, spans: Line, here: bool = False) -> Strip:
        """A line as the terminal gets it, filled to the widget's width. `here`: the cursor stands on it."""
        width = self.size.width
        short = fitted(spans, width)
        segments: list[Segment] = []
        styles = role_styles(self.app.theme, self.plain)
        under = styles["here"] if here else None
        texts: list[str] = []
        style: Style | None = None
        for text, role in (*short, ("", "")):
            now = styles[role]
            if under is not None:
                now = now + under
            if texts and now != style:
                segments.append(Segment("".join(texts), style))
                texts = []
            texts.append(text)
            style = now
        space = width - width_of(short)
        last = styles[""] if under is None else styles[""] + under
        if "".join(texts):
            segments.append(Segment("".join(texts), style))
        if space > 0:
            segments.append(Segment(" " * space, last))
        return Strip(segments, max(width, width_of(short)))

    def render_line(self, y: int) -> Strip:
        return self.strip(self.line_at(y))


class Lines(Painted):
    """Some lines, the first at the top; `show` repaints only the cells that differ.

    It scrolls by the arrow keys where it may take the focus (`can_focus`).
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None, focus: bool = False) -> None:
        super().__init__(id=id, classes=classes)
        self.can_focus = focus
        self.lines: tuple[Line, ...] = ()
        self.top = 0

    def show(self, lines: Sequence[Line], *, keep: bool = True) -> None:
        """Show these lines instead. `keep`: stay where the person has scrolled to."""
        old, top = self.lines, self.top
        self.lines = tuple(lines)
        self.top = min(self.top, max(len(self.lines) - self.size.height, 0)) if keep else 0
        if self.top != top:
            self.refresh()
            return
        for y in range(self.size.height):
            before, after = self._seen(old, y), self._seen(self.lines, y)
            if before != after:
                self.refresh(changed(before, after, y, self.size.width))

    def line_at(self, y: int) -> Line:
        return self._seen(self.lines, y)

    def _seen(self, lines: Sequence[Line], y: int) -> Line:
        """What of some lines stands on row `y`; the last row says how many more there are below."""
        row = y + self.top
        here = lines[row] if row < len(lines) else ()
        below = len(lines) - self.top - self.size.height
        if not self.can_focus or below <= 0 or y < self.size.height - 1:
            return here
        return apart(here, (Span(f"+{below}", "dim"),), self.size.width)

    def scroll_by(self, rows: int) -> None:
        top = max(0, min(self.top + rows, len(self.lines) - self.size.height))
        if top != self.top:
            self.top = top
            self.refresh()

    def on_key(self, event: events.Key) -> None:
        step = {"up": -1, "down": 1, "pageup": 1 - self.size.height, "pagedown": self.size.height - 1}
        if self.can_focus and self.has_focus and event.key in step:
            self.scroll_by(step[event.key])
            event.stop()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_by(-3)


def changed(before: Line, after: Line, y: int, width: int) -> Region:
    """The part of row `y` in which two lines differ."""
    old = [(c, role) for text, role in before for c in text]
    new = [(c, role) for text, role in after for c in text]
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    start = display_width("".join(c for c, _role in new[:first]))
    if len(old) != len(new):
        return Region(start, y, max(width - start, 0), 1)
    last = len(new)
    while last > first and old[last - 1] == new[last - 1]:
        last -= 1
    old_wide, new_wide = (display_width("".join(c for c, _r in text[first:last])) for text in (old, new))
    if old_wide != new_wide:
        return Region(start, y, max(width - start, 0), 1)
    return Region(start, y, new_wide, 1)
