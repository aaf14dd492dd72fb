"""Words a person reads, wrapped for gettext.

`_("...")` marks and translates; messages with values are formatted after translation:
`_("{count} sheets").format(count=3)`. Only English ships today; catalogues live in console/locale.
"""

from __future__ import annotations

import gettext
from pathlib import Path

_translation = gettext.translation(
    "rollcall", localedir=Path(__file__).resolve().parent.parent / "console" / "locale", fallback=True
)
_ = _translation.gettext
ngettext = _translation.ngettext
