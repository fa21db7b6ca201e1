"""Reading what others POST to us: bounded in size and time, whoever sends it."""

import asyncio

from starlette.requests import ClientDisconnect, Request

BODY_LIMIT = 1_000_000  # bytes
BODY_DEADLINE = 10.0  # seconds


class BodyRefused(Exception):
    """A body did not come whole: the status to answer, a stable reason, and a sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


async def read_body(request: Request) -> bytes:
    """Return a request's whole body, or raise BodyRefused."""
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            return await _collect(request)
    except TimeoutError:
        message = f"The body did not arrive within {BODY_DEADLINE:.0f} s."
        raise BodyRefused(408, "too_slow", message) from None
    except ClientDisconnect:
        raise BodyRefused(400, "cut_off", "The body was cut off.") from None


async def _collect(request: Request) -> bytes:
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise BodyRefused(413, "too_large", f"The body is larger than {BODY_LIMIT} bytes.")
        parts.append(part)
    return b"".join(parts)
