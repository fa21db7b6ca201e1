"""The error tree: every message says what happened and what to do.

DeskError
├── ConfigurationError      a setting or an argument cannot be used
├── StoreError              the database cannot do it now, or at all
│   ├── StoreBusy           too much is waiting to be written, or another process holds the database
│   ├── DeadlinePassed      a read was ended because its time was over
│   ├── StoreNewer          the database was made by newer code
│   └── StoreForeign        the database belongs to another Lamina
├── SignatureRejected       a webhook does not prove that Lamina sent it; carries a reason code
├── PasteRefused            pasted material holds no request that can be read
├── OperationRefused        an operator may not do this, or not in this state
│   └── BudgetUsedUp        not now: no request is left of those that Lamina allows
└── ApiError                a request to Lamina did not give a usable answer
    ├── ApiUnreachable      no answer came; `sent` says whether Lamina may have seen the request
    ├── ApiUnreadable       an answer came that is not what the contract says
    └── ApiRefused          Lamina answered with an error status
        ├── InvalidRequest  400, 422: per-field reasons in `details`
        ├── AuthRefused     401, 403
        ├── NotFound        404
        ├── RateLimited     429: `retry_after` in seconds
        └── ServerFault     5xx
"""

from dataclasses import dataclass


class DeskError(Exception):
    """Base of every error that Lamina Desk raises on purpose."""


class ConfigurationError(DeskError):
    """A setting or a command's argument cannot be used; the message names it."""


class StoreError(DeskError):
    """The database cannot do what was asked."""


class StoreBusy(StoreError):
    """The database takes no more writes for the moment; the same write may be tried again."""


class DeadlinePassed(StoreError):
    """A read was ended because its time was over; what was found before stays true."""


class StoreNewer(StoreError):
    """The database was written by a newer version of Lamina Desk."""


class StoreForeign(StoreError):
    """The database holds executions of another Lamina."""


class SignatureRejected(DeskError):
    """A webhook does not verify; `reason` is a stable code of `signing.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PasteRefused(DeskError):
    """Pasted material holds no request that can be read; the message says what it looks like and what is missing."""


class OperationRefused(DeskError):
    """An operator's action is not allowed for this role or in this state."""


class BudgetUsedUp(OperationRefused):
    """The requests that Lamina allows per minute are used up; the same action may be tried again."""


@dataclass(frozen=True)
class FieldProblem:
    """One reason why Lamina refused an input; `field` is None where Lamina names no field."""

    field: str | None
    code: str | None
    message: str


class ApiError(DeskError):
    """A request to Lamina gave no usable answer."""

    retryable = False


class ApiUnreachable(ApiError):
    """No answer came; `sent` is False only where the request surely never left."""

    retryable = True

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ApiUnreadable(ApiError):
    """An answer came that does not follow the contract (HTML, cut JSON, a missing id)."""

    def __init__(self, message: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class ApiRefused(ApiError):
    """Lamina answered with an error status; the fields are those of its envelope."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        details: tuple[FieldProblem, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after = retry_after
        self.details = details


class InvalidRequest(ApiRefused):
    """Lamina refused the request's content (400, 422, and any other 4xx without a class of its own)."""


class AuthRefused(ApiRefused):
    """Lamina refused the key (401) or what it may reach (403)."""


class NotFound(ApiRefused):
    """Lamina knows no such thing, or it belongs to another workspace."""


class RateLimited(ApiRefused):
    """Too many requests from this address; wait `retry_after` seconds where it is known."""


class ServerFault(ApiRefused):
    """Lamina failed while answering (5xx)."""
