"""Lamina's API for the three generations, behind one set of methods named after Lamina's verbs."""

import contextlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from lamina_core import errors
from lamina_core.api import transport, wire
from lamina_core.api.answers import Answer, as_number
from lamina_core.api.generations import DIALECTS, Feature
from lamina_core.clock import Clock
from lamina_core.config import Secret
from lamina_core.domain import App, Generation, Report, Status


@dataclass(frozen=True)
class Page:
    """One page of executions, newest first; `total` counts all that match."""

    reports: tuple[Report, ...]
    total: int


@dataclass(frozen=True)
class Estimate:
    """What a start of an app is expected to cost; None means unknown, not free."""

    expected: float | None
    balance: float | None
    affordable: bool | None


class LaminaClient:
    """Speaks one generation of Lamina's API; safe to share between threads.

    Every method raises errors of the ApiError tree and nothing else of the network. `observe` is told
    each answer's status and headers, and `may_repeat` asked before a read that failed is sent once more, so that
    a shared budget can follow Lamina's rate limit.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: Secret,
        generation: Generation,
        clock: Clock,
        rng: random.Random,
        observe: Callable[[int, Mapping[str, str]], None] | None = None,
        may_repeat: Callable[[], bool] = lambda: True,
        inner: httpx.BaseTransport | None = None,
    ) -> None:
        key = api_key.reveal()
        if not (key.isascii() and key.isprintable()):  # it would end up in an error about a bad header
            raise errors.ConfigurationError("LAMINA_API_KEY holds characters that no key has. Copy it again.")
        self._dialect = DIALECTS[generation]
        self._clock = clock
        self._observe = observe
        self._http = httpx.Client(
            base_url=base_url,
            headers={"x-api-key": key, "accept": "application/json"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # one answer's must not spoil the next request
            timeout=transport.TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            transport=transport.RepeatingTransport(inner or httpx.HTTPTransport(), clock, rng, may_repeat),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def supports(self, feature: Feature) -> bool:
        """Say whether this generation has the feature."""
        return feature in self._dialect.features

    def list_apps(self, *, search: str | None = None, limit: int | None = None) -> tuple[App, ...]:
        """Return the apps that the key may start, without their parameters."""
        asked = {"search": search, "limit": limit}
        answer = self._ask("GET", "apps", params={key: v for key, v in asked.items() if v is not None})
        listed = answer.document.get("data") if isinstance(answer.document, Mapping) else None
        if not isinstance(listed, list):
            raise answer.unreadable("the list of apps is missing")
        return answer.read(lambda: tuple(wire.app_from(item) for item in listed))

    def get_app(self, app_id: str) -> App:
        """Return one app with its parameters."""
        answer = self._ask("GET", "apps", app_id)
        return answer.read(lambda: wire.app_from(wire.data_of(answer.document)))

    def start(
        self,
        app_id: str,
        inputs: Mapping[str, Any],
        *,
        webhook: str | None = None,
        outputs: Sequence[str] = (),
    ) -> Report:
        """Start an execution and return Lamina's answer (202); sent once, never repeated.

        `outputs` names the labels to make, all if empty; only generation `runs` knows it.
        """
        body: dict[str, Any] = {"inputs": dict(inputs)}
        if outputs:
            self._require(Feature.CHOOSE_OUTPUTS)
            body["outputs"] = list(outputs)
        params = {"webhook": webhook} if webhook else {}
        answer = self._ask("POST", "apps", app_id, self._dialect.noun, params=params, body=body)
        return answer.read(lambda: wire.report_from(wire.data_of(answer.document)))

    def get(self, execution_id: str) -> Report:
        """Return what Lamina says of an execution now."""
        answer = self._ask("GET", self._dialect.noun, execution_id)
        report = answer.read(lambda: wire.report_from(wire.data_of(answer.document)))
        if report.execution_id != execution_id:
            raise answer.unreadable(f"it is about another execution, {report.execution_id}")
        return report

    def list(
        self,
        *,
        status: Status | None = None,
        app_id: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Page:
        """Return executions of the workspace, newest first; rows carry no outputs and no inputs."""
        self._require(Feature.LIST)
        asked = {
            "status": status,
            "appId": app_id,
            "since": since and since.isoformat().replace("+00:00", "Z"),
            "limit": limit,
            "offset": offset,
        }
        params = {key: value for key, value in asked.items() if value is not None}
        answer = self._ask("GET", self._dialect.noun, params=params)
        document = answer.document if isinstance(answer.document, Mapping) else {}
        rows, pagination = document.get("data"), document.get("pagination")
        if not isinstance(rows, list):
            raise answer.unreadable("the list of executions is missing")
        total = pagination.get("total") if isinstance(pagination, Mapping) else None
        reports = answer.read(lambda: tuple(wire.report_from(row) for row in rows))
        return Page(reports, total if isinstance(total, int) else len(reports))

    def cancel(self, execution_id: str) -> Status:
        """Ask Lamina to cancel; an ended execution stays as it is. Read the execution afterwards."""
        self._require(Feature.CANCEL)
        answer = self._ask("POST", self._dialect.noun, execution_id, "cancel")
        return answer.read(lambda: Status.from_word(str(wire.data_of(answer.document).get("status"))))

    def estimate(self, app_id: str) -> Estimate:
        """Return what a start of the app is expected to cost, in credits."""
        self._require(Feature.ESTIMATE)
        answer = self._ask("POST", "apps", app_id, "estimate")
        data = answer.read(lambda: wire.data_of(answer.document))
        credits = data.get("estimatedCredits")
        expected = credits.get("expected") if isinstance(credits, Mapping) else None
        affordable = data.get("affordable")
        return Estimate(
            as_number(expected),
            as_number(data.get("currentBalance")),
            affordable if isinstance(affordable, bool) else None,
        )

    def usage(self) -> float | None:
        """Return the credits that are left, None where Lamina does not say."""
        self._require(Feature.USAGE)
        answer = self._ask("GET", "account", "usage")
        credits = answer.read(lambda: wire.data_of(answer.document)).get("credits")
        return as_number(credits.get("balance") if isinstance(credits, Mapping) else None)

    def signing_key(self) -> Mapping[str, Any]:
        """Return the webhook key set as Lamina serves it: `{"keys": [...]}`, not wrapped in data."""
        answer = self._ask("GET", "webhooks", "signing-key")
        if not isinstance(answer.document, Mapping) or not isinstance(answer.document.get("keys"), list):
            raise answer.unreadable("the key set is missing")
        return answer.document

    def _require(self, feature: Feature) -> None:
        if not self.supports(feature):
            raise errors.ConfigurationError(
                f"API generation {self._dialect.generation} has no {feature.replace('_', ' ')}. "
                "Set LAMINA_API_GENERATION=runs to have it."
            )

    def _ask(
        self,
        method: str,
        *parts: str,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        request = self._build(method, parts, params, body)
        if self._http.is_closed:
            raise errors.ApiUnreachable("Lamina was not asked: the dashboard is stopping.", sent=False)
        try:
            with contextlib.closing(self._http.send(request, stream=True)) as response:
                if self._observe:
                    self._observe(response.status_code, response.headers)
                content = transport.read_body(response)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
            UnicodeError,  # a host that is no name
        ) as error:
            raise errors.ApiUnreachable(f"Lamina could not be reached: {_reason(error)}.", sent=False) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise errors.ApiUnreachable(f"Lamina did not answer: {_reason(error)}.", sent=True) from error
        except transport.AnswerUnusable as error:
            raise Answer(response, b"").unreadable(str(error)) from None
        answer = Answer(response, content)
        if not 200 <= response.status_code < 300:
            raise answer.refused(self._clock.now().timestamp())
        return answer

    def _build(
        self,
        method: str,
        parts: Sequence[str],
        params: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
    ) -> httpx.Request:
        try:
            path = self._dialect.path(*parts)
            if body is None:
                return self._http.build_request(method, path, params=params)
            # Escaped to ASCII: a lone surrogate, which UTF-8 cannot carry, goes as it was given.
            content = json.dumps(body, allow_nan=False, separators=(",", ":"))
            headers = {"content-type": "application/json"}
            return self._http.build_request(method, path, params=params, content=content, headers=headers)
        except (ValueError, TypeError, RecursionError, httpx.InvalidURL) as error:
            raise errors.ApiUnreachable(f"The request cannot be sent: {error}.", sent=False) from None


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    return str(error).strip().rstrip(".") or "the connection was closed"
