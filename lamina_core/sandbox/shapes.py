"""What goes over the wire: documents of the three generations, and their errors.

A and B (`/api/...`, `/v1/executions`) name a run executionId and refuse with `{error, details?}`; C
(`/v1/runs`, and what B shares with it under `/v1`) names it runId and refuses with a coded envelope
(contract, sections 0.1, 4 and 5.1). Fields come in the order of the documented samples.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from lamina_core.sandbox import plan
from lamina_core.sandbox.catalogue import App, Parameter
from lamina_core.sandbox.plan import RunView
from lamina_core.sandbox.records import Execution, Generation
from lamina_core.sandbox.validation import Problem

VALIDATION_ERROR = "VALIDATION_ERROR"
NOT_FOUND = "NOT_FOUND"
RATE_LIMITED = "RATE_LIMITED"
TOO_MANY = "Too many requests from this IP, please try again in a minute"
ODD_STATUS = "post_processing"  # what the fault unknown_status reports

USER_ID = "5f0c6a52-3d0e-4a0c-9a57-6f1b8f0c2d11"
WORKSPACE_ID = "b1d7e9c4-8a2f-4f6b-9c35-2e7a40d98f63"
CREDITS_EARNED = 5000.0

_RETRYABLE = frozenset({RATE_LIMITED, "AUTH_FAILED", "RESOURCE_UNAVAILABLE", "INTERNAL_ERROR"})
_OLD_PATH = re.compile(r"/v1/executions(/|$)|/v1/apps/[^/]+/executions(/|$)")


class Refusal(Exception):
    """A request is refused; `code` shows in generation C only, `retry_after` is seconds."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        problems: tuple[Problem, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.problems = problems
        self.retry_after = retry_after


def generation_of(path: str) -> Generation | None:
    """Return the generation that a path belongs to; None outside of Lamina's API."""
    if path == "/api" or path.startswith("/api/"):
        return Generation.A
    if path == "/v1" or path.startswith("/v1/"):
        return Generation.B if _OLD_PATH.match(path) else Generation.C
    return None


def encode(document: Any) -> bytes:
    """Return compact JSON in UTF-8; a lone surrogate, which UTF-8 cannot carry, stays an escape."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def timestamp(instant: int | None) -> str | None:
    """Return milliseconds since 1970 as ISO 8601 in UTC with milliseconds and Z."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Errors


def refusal(generation: Generation, refused: Refusal, request_id: str) -> dict[str, Any]:
    """Return the body of an error answer."""
    document: dict[str, Any] = {"error": refused.message}
    if generation is not Generation.C:
        if refused.problems:
            document["details"] = [f'"{problem.field}": {problem.reason}' for problem in refused.problems]
        return document
    document |= {"code": refused.code, "retryable": refused.code in _RETRYABLE, "requestId": request_id}
    if refused.retry_after is not None:
        document["retryAfter"] = refused.retry_after
    if refused.code == VALIDATION_ERROR and refused.problems:
        document["details"] = [_problem(problem) for problem in refused.problems]
    return document


def _problem(problem: Problem) -> dict[str, str]:
    return {"field": problem.field, "code": problem.code, "message": f'"{problem.field}" {problem.reason}.'}


# Runs


def id_field(generation: Generation) -> str:
    """Return the name of a run's id."""
    return "runId" if generation is Generation.C else "executionId"


def run(generation: Generation, execution: Execution, seen: RunView, *, odd: bool = False) -> dict[str, Any]:
    """Return a run as the status endpoint, the stream and the webhook show it."""
    document: dict[str, Any] = {
        id_field(generation): execution.execution_id,
        "workflowId": execution.app_id,
        "status": _status(execution, seen.status, odd=odd),
        "outputs": outputs(seen),
        "errorMessage": seen.error_message,
        "startedAt": timestamp(seen.started_at),
        "completedAt": timestamp(seen.completed_at),
        "createdAt": timestamp(seen.created_at),
    }
    if generation is Generation.C:
        document["progress"] = progress(seen)
    return document


def _status(execution: Execution, status: str, *, odd: bool) -> str:
    return ODD_STATUS if odd or (execution.shows_unknown_status and status == plan.RUNNING) else status


def outputs(seen: RunView) -> list[dict[str, Any]]:
    """Return the outputs of a run."""
    return [
        {
            "id": output.node_id,
            "label": output.label,
            "type": output.type,
            "value": output.value,
            "status": output.status,
            "error": output.error,
        }
        for output in seen.outputs
    ]


def progress(seen: RunView) -> dict[str, Any]:
    """Return how far a run is; the percentage is of outputs that are done, well or not, null in the queue."""
    total = len(seen.outputs)
    completed = sum(output.status == plan.COMPLETED for output in seen.outputs)
    failed = sum(output.status == "error" for output in seen.outputs)
    percent = None if seen.status == plan.QUEUED else round(100 * (completed + failed) / total)
    return {
        "totalOutputs": total,
        "completedOutputs": completed,
        "failedOutputs": failed,
        "percentComplete": percent,
    }


def started(generation: Generation, execution: Execution, seen: RunView, *, odd: bool = False) -> dict[str, Any]:
    """Return the answer to a start: the only one that carries the app's name and the webhook's URL."""
    document: dict[str, Any] = {
        id_field(generation): execution.execution_id,
        "workflowId": execution.app_id,
        "workflowName": execution.app_name,
        "status": ODD_STATUS if odd else seen.status,
    }
    if execution.webhook_url is not None:
        document["webhookUrl"] = execution.webhook_url
    return document | {"outputs": outputs(seen)}


def list_row(execution: Execution, seen: RunView, *, odd: bool = False) -> dict[str, Any]:
    """Return a run as the list shows it: without outputs, name and inputs."""
    return {
        "runId": execution.execution_id,
        "workflowId": execution.app_id,
        "status": _status(execution, seen.status, odd=odd),
        "source": "api_app",
        "errorMessage": seen.error_message,
        "startedAt": timestamp(seen.started_at),
        "completedAt": timestamp(seen.completed_at),
        "createdAt": timestamp(seen.created_at),
    }


def refined(execution: Execution, seen: RunView, feedback: str, *, odd: bool = False) -> dict[str, Any]:
    """Return the answer to feedback: which nodes are done again, and why."""
    nodes = [{"nodeId": output.node_id, "reason": feedback} for output in seen.outputs]
    return {
        "runId": execution.execution_id,
        "status": _status(execution, seen.status, odd=odd),
        "summary": f"Refining {len(nodes)} {'output' if len(nodes) == 1 else 'outputs'} from your feedback.",
        "refinedNodes": nodes,
        "outputs": outputs(seen),
        "errorMessage": seen.error_message,
    }


# Apps


def app_summary(generation: Generation, app: App) -> dict[str, Any]:
    """Return an app as the list shows it."""
    document: dict[str, Any] = {
        "appId": app.app_id,
        "name": app.name,
        "description": app.description,
        "isPublic": app.is_public,
    }
    if generation is not Generation.C:
        return document
    document |= {"capabilities": app.capabilities, "icon": app.icon, "modality": app.modality}
    document["outputFormats"] = app.capabilities.get("outputFormats", [])
    if app.thumbnail is not None:
        document["thumbnail"] = app.thumbnail
    return document | {"inputSummary": _input_summary(app.parameters)}


def _input_summary(parameters: Iterable[Parameter]) -> dict[str, Any]:
    required: list[dict[str, str]] = []
    optional: list[dict[str, str]] = []
    for parameter in parameters:
        side = optional if parameter.has_default else required
        side.append({"name": parameter.name, "type": parameter.type})
    return {"required": required, "optional": optional, "total": len(required) + len(optional)}


def app_detail(generation: Generation, app: App) -> dict[str, Any]:
    """Return an app with all that it asks for and, in generation C, what it makes."""
    document: dict[str, Any] = {
        "appId": app.app_id,
        "name": app.name,
        "description": app.description,
        "parameters": [_parameter(generation, parameter) for parameter in app.parameters],
    }
    if generation is Generation.C:
        document["outputs"] = [
            {"index": index, "label": output.label, "type": output.type} for index, output in enumerate(app.outputs)
        ]
    return document


def _parameter(generation: Generation, parameter: Parameter) -> dict[str, Any]:
    newest = generation is Generation.C
    document: dict[str, Any] = {"id": parameter.id}
    if newest:
        document["key"] = parameter.key
    # In C every parameter comes back as required; having a default is what makes it omittable.
    document |= {"name": parameter.name, "type": parameter.type, "required": newest or parameter.required}
    if parameter.options:
        document["options"] = list(parameter.options)
    if parameter.has_default:
        document["default"] = parameter.default
    if parameter.accept:
        document["accept"] = list(parameter.accept)
    if parameter.multiple:
        document["multiple"] = True
    if parameter.description is not None:
        document["description"] = parameter.description
    return document


def workflow(app: App) -> dict[str, Any]:
    """Return the nodes and edges of an app."""
    return {
        "appId": app.app_id,
        "name": app.name,
        "nodes": [{"id": node.id, "type": node.type, "label": node.label} for node in app.nodes],
        "edges": [{"source": source, "target": target} for source, target in app.edges],
    }


def estimate(app: App, balance: float) -> dict[str, Any]:
    """Return what a run of the app will cost, and whether the balance covers it."""
    share = round(app.credits / len(app.outputs), 4)
    types = {node.id: node.type for node in app.nodes}
    return {
        "appId": app.app_id,
        "name": app.name,
        "estimatedCredits": {
            "expected": app.credits,
            "min": round(app.credits * 0.8, 2),
            "max": round(app.credits * 1.25, 2),
        },
        "breakdown": [
            {"nodeId": output.node_id, "nodeType": types.get(output.node_id, "aiDesignerNode"), "credits": share}
            for output in app.outputs
        ],
        "currentBalance": balance,
        "affordable": balance >= app.credits,
    }


# The account


def account() -> dict[str, Any]:
    """Return the one user and workspace that every key belongs to."""
    workspace = {"name": "Sandbox Studio", "slug": "sandbox-studio", "role": "owner"}
    return {
        "user": {"id": USER_ID, "email": "operator@example.com"},
        "workspace": {"id": WORKSPACE_ID, **workspace},
        "memberships": [{"workspaceId": WORKSPACE_ID, **workspace}],
    }


def usage(spent: float, limit: int) -> dict[str, Any]:
    """Return the credits and the rate limit."""
    return {
        "credits": {
            "balance": round(CREDITS_EARNED - spent, 4),
            "totalEarned": CREDITS_EARNED,
            "totalSpent": round(spent, 4),
        },
        "rateLimit": {"limit": limit, "windowMs": 60_000},
    }


def key_set(jwks: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Return the signing keys: the one document of the API that is not wrapped in `data`."""
    return {"keys": [dict(jwk) for jwk in jwks]}
