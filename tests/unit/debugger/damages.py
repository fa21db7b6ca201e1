"""The table: ways to bring about every cause that the debugger names."""

from tests.unit.debugger import damages_body, damages_headers, damages_json, damages_keys
from tests.unit.debugger.damage import Damage

DAMAGES: tuple[Damage, ...] = (
    *damages_json.DAMAGES,
    *damages_body.DAMAGES,
    *damages_headers.DAMAGES,
    *damages_keys.DAMAGES,
)


def damages_of(code: str) -> list[Damage]:
    return [damage for damage in DAMAGES if damage.code == code]
