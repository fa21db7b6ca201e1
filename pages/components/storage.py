"""How much is kept and for how long, for the System screen."""

from collections.abc import Mapping

from lamina_core import runtime
from lamina_core.insights import storage
from pages.components import frame


def describe_storage() -> Mapping[str, str]:
    """Return what is kept, and one line on how old things are deleted."""
    parts = runtime.current()
    kept, rules = storage.read_storage(parts.engines), parts.settings.keep
    since = f", the oldest of {frame.format_instant(kept.oldest)}" if kept.oldest else ""
    how = "" if rules.is_on else ". To delete what is old, set e.g. `LAMINA_DESK_KEEP=completed=90,failed=365,*=180`"
    return {
        "Size": storage.describe_space(kept.space),
        "Executions": f"{kept.executions:,}{since}",
        "Kept for": storage.describe_keep(rules) + how,
    }
