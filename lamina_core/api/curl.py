"""A start as a curl command, to show or to send to a colleague; the key stays a variable."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from lamina_core.api.generations import DIALECTS
from lamina_core.domain import Generation


def build_start(
    base_url: str,
    generation: Generation,
    app_id: str,
    inputs: Mapping[str, Any],
    *,
    webhook: str | None,
    outputs: Sequence[str] = (),
) -> str:
    """Return the command that starts this app with these inputs; it reads LAMINA_API_KEY of the shell."""
    dialect = DIALECTS[generation]
    query = f"?{urlencode({'webhook': webhook})}" if webhook else ""
    url = base_url + dialect.path("apps", app_id, dialect.noun) + query
    body: dict[str, Any] = {"inputs": dict(inputs)} | ({"outputs": list(outputs)} if outputs else {})
    return " \\\n  ".join(
        (
            f"curl -X POST {shlex.quote(url)}",
            '-H "x-api-key: $LAMINA_API_KEY"',
            "-H 'content-type: application/json'",
            f"--data-raw {shlex.quote(json.dumps(body, ensure_ascii=False))}",
        )
    )
