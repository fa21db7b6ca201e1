"""Who acts: without sign-in, the name that an operator gave once, kept in a cookie of our own."""

from collections.abc import Mapping
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from lamina_core.domain import Operator, Role

COOKIE = "lamina_desk_operator"
UNNAMED = "unnamed operator"

_NAME_LENGTH = 60  # characters
_YEAR = 31_536_000  # seconds


def read_operator(cookies: Mapping[str, str]) -> Operator:
    """Return who acts in a browser session."""
    return Operator(_clean_name(unquote(cookies.get(COOKIE, ""))) or UNNAMED, Role.ADMIN)


async def set_operator(request: Request) -> Response:
    """`POST /operator`: keep the name that a form of our own pages sends."""
    scheme, _, origin = request.headers.get("origin", "").partition("://")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if scheme not in {"http", "https"} or origin != request.headers.get("host") or site != "same-origin":
        return JSONResponse({"error": "This form can only be sent from Lamina Desk itself."}, 403)
    form = await request.form(max_files=0, max_fields=5, max_part_size=1_000)
    name = form.get("operator_name")
    response = RedirectResponse("/", 303)
    cleaned = _clean_name(name) if isinstance(name, str) else ""
    if cleaned:
        response.set_cookie(COOKIE, quote(cleaned), max_age=_YEAR, httponly=True, samesite="lax")
    else:
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


def _clean_name(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_NAME_LENGTH]
