"""The sandbox's apps: what they ask for, what they make, how long they take and when they fail.

They are read from one JSON file, strictly: a mistake in it is named by app and field before the sandbox
starts. The words of the file are those of Lamina's app documents ("get app", "get app workflow"), with the
sandbox's own plans beside them (`queueSeconds`, `medianSeconds`, `sigma`, `failures`).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from lamina_core import errors
from lamina_core.sandbox.document import Document

PARAMETER_TYPES = ("text", "options", "url")
OUTPUT_TYPES = ("image", "video", "text")
MEDIA_KINDS = ("image", "video", "audio")


@dataclass(frozen=True)
class Parameter:
    """One input of an app; a default of `""`, `[]`, 0 or False counts as a default."""

    id: str
    key: str
    name: str
    type: str
    required: bool
    has_default: bool
    default: Any
    options: tuple[str, ...]
    accept: tuple[str, ...]
    multiple: bool
    description: str | None


@dataclass(frozen=True)
class OutputPlan:
    """One output that an app makes; width and height are pixels, 0 where it is no picture."""

    node_id: str
    label: str
    type: str
    width: int
    height: int


@dataclass(frozen=True)
class FailureRule:
    """When an app fails, and with what words.

    The rule applies when `contains` is found, whatever the case, in the effective value of `parameter`, or
    always when `parameter` is None. Without an `error_message` the execution still completes, with the
    outputs at these indices in error; no indices means all of them.
    """

    parameter: str | None
    contains: str
    error_message: str | None
    output_error: str
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One step of an app's workflow."""

    id: str
    type: str
    label: str


@dataclass(frozen=True)
class App:
    """One app; its running time is lognormal around `median_seconds`, after `queue_seconds` in the queue."""

    app_id: str
    name: str
    description: str | None
    is_public: bool
    modality: str
    icon: str
    thumbnail_url: str | None
    parameters: tuple[Parameter, ...]
    outputs: tuple[OutputPlan, ...]
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    queue_seconds: float
    median_seconds: float
    sigma: float
    credits: float
    capabilities: dict[str, Any]
    failures: tuple[FailureRule, ...]

    @property
    def thumbnail(self) -> dict[str, str] | None:
        """Return `{url, type}` as the list of apps shows it, None where the app has none."""
        return None if self.thumbnail_url is None else {"url": self.thumbnail_url, "type": "image"}


@dataclass(frozen=True)
class Catalogue:
    """All apps of the sandbox, in the order of the file."""

    apps: tuple[App, ...]

    def find(self, app_id: str) -> App | None:
        """Return the app with this id, None where there is none."""
        return next((app for app in self.apps if app.app_id == app_id), None)

    def search(self, text: str | None, limit: int | None) -> list[App]:
        """Return at most `limit` apps with the text in name or description, whatever the case."""
        wanted = (text or "").casefold()
        found = [app for app in self.apps if wanted in f"{app.name}\n{app.description or ''}".casefold()]
        return found if limit is None else found[: max(limit, 0)]


def load(path: Path, base_url: str) -> Catalogue:
    """Read the catalogue; `{base}` in any string of the file stands for the sandbox's own base URL.

    Raises errors.ConfigurationError naming the file, the app and the field that cannot be used.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise errors.ConfigurationError(f"{path}: cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise errors.ConfigurationError(f"{path}: is not JSON: {problem}") from problem
    document = Document(_substitute(raw, base_url.rstrip("/")), str(path))
    apps = tuple(_read_app(app) for app in document.documents("apps", title="name"))
    document.finish()
    if not apps:
        raise errors.ConfigurationError(f"{path}: holds no apps; the sandbox needs at least one")
    _refuse_repeats((app.app_id for app in apps), lambda word: document.error("apps", f"{word!r} is twice an appId"))
    return Catalogue(apps)


def _substitute(value: Any, base: str) -> Any:
    if isinstance(value, str):
        return value.replace("{base}", base)
    if isinstance(value, list):
        return [_substitute(item, base) for item in value]
    if isinstance(value, dict):
        return {name: _substitute(item, base) for name, item in value.items()}
    return value


def _refuse_repeats(words: Iterator[str], error: Callable[[str], Exception]) -> None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise error(word)
        seen.add(word)


def _read_app(document: Document) -> App:
    app = App(
        app_id=document.text("appId"),
        name=document.text("name"),
        description=document.optional_text("description"),
        is_public=document.flag("isPublic"),
        modality=document.choice("modality", OUTPUT_TYPES),
        icon=document.text("icon"),
        thumbnail_url=document.optional_text("thumbnailUrl"),
        parameters=tuple(_read_parameter(item) for item in document.documents("parameters", title="name")),
        outputs=tuple(_read_output(item, index) for index, item in enumerate(document.documents("outputs"))),
        nodes=tuple(_read_node(item) for item in document.documents("nodes")),
        edges=tuple(_read_edge(item) for item in document.documents("edges")),
        queue_seconds=document.number("queueSeconds"),
        median_seconds=document.number("medianSeconds", above=0),
        sigma=document.number("sigma"),
        credits=document.number("credits"),
        capabilities=_read_capabilities(document.document("capabilities")),
        failures=tuple(_read_failure(item) for item in document.documents("failures")),
    )
    document.finish()
    _check_app(app, document)
    return app


def _read_parameter(document: Document) -> Parameter:
    default = document.anything("default")
    parameter = Parameter(
        id=document.text("id"),
        key=document.text("key"),
        name=document.text("name"),
        type=document.choice("type", PARAMETER_TYPES),
        required=document.flag("required"),
        has_default=default is not None,
        default=default,
        options=document.texts("options", absent=()),
        accept=document.texts("accept", absent=(), among=MEDIA_KINDS),
        multiple=document.flag("multiple", absent=False),
        description=document.optional_text("description"),
    )
    document.finish()
    _check_kind(parameter, document)
    if parameter.has_default:
        _check_default(parameter, document)
    return parameter


def _check_kind(parameter: Parameter, document: Document) -> None:
    if (parameter.type == "options") != bool(parameter.options):
        raise document.error("options", "belongs to parameters of type 'options', and these need it")
    if (parameter.type == "url") != bool(parameter.accept):
        raise document.error("accept", "belongs to parameters of type 'url', and these need it")
    if parameter.multiple and parameter.type != "url":
        raise document.error("multiple", "belongs to parameters of type 'url'")
    _refuse_repeats(iter(parameter.options), lambda word: document.error("options", f"lists {word!r} twice"))


def _check_default(parameter: Parameter, document: Document) -> None:
    default = parameter.default
    if parameter.type == "options" and default not in parameter.options:
        raise document.error("default", f"{default!r} is not among the options")
    if parameter.type == "text" and not isinstance(default, (str, int, float)):
        raise document.error("default", f"{default!r} is not a text, a number or true/false")
    if parameter.type == "url":
        urls = default if parameter.multiple and isinstance(default, list) else [default]
        if not all(isinstance(url, str) and url.startswith(("http://", "https://")) for url in urls):
            raise document.error("default", f"{default!r} is not an http(s) URL")


def _read_output(document: Document, index: int) -> OutputPlan:
    output = OutputPlan(
        node_id=document.text("nodeId"),
        # A label that its author left out is shown by its place: Lamina counts from 1 here.
        label=document.optional_text("label") or f"Output {index + 1}",
        type=document.choice("type", OUTPUT_TYPES),
        width=document.whole("width", absent=0),
        height=document.whole("height", absent=0),
    )
    document.finish()
    is_picture = output.type == "image"
    for field, pixels in (("width", output.width), ("height", output.height)):
        if (pixels > 0) != is_picture:
            raise document.error(field, "is given in pixels for images, and only for them")
    return output


def _read_node(document: Document) -> Node:
    node = Node(id=document.text("id"), type=document.text("type"), label=document.text("label"))
    document.finish()
    return node


def _read_edge(document: Document) -> tuple[str, str]:
    edge = (document.text("source"), document.text("target"))
    document.finish()
    return edge


def _read_capabilities(document: Document) -> dict[str, Any]:
    lists = ("produces", "strengths", "bestFor", "limitations", "outputFormats", "nodeTypes")
    capabilities: dict[str, Any] = {name: list(document.texts(name)) for name in lists}
    for name in ("hasQualityControl", "hasHumanApproval"):
        capabilities[name] = document.flag(name)
    capabilities["generationStepCount"] = document.whole("generationStepCount")
    document.finish()
    return capabilities


def _read_failure(document: Document) -> FailureRule:
    rule = FailureRule(
        parameter=document.optional_text("parameter"),
        contains=document.optional_text("contains") or "",
        error_message=document.optional_text("errorMessage"),
        output_error=document.text("outputError"),
        outputs=document.wholes("outputs", absent=()),
    )
    document.finish()
    if rule.parameter is None and rule.contains:
        raise document.error("contains", "needs a parameter to look at")
    return rule


def _check_app(app: App, document: Document) -> None:
    if not app.outputs:
        raise document.error("outputs", "is empty; an app makes at least one output")
    # An input may be addressed by key, name or id, so no such word may stand for two parameters.
    words = chain.from_iterable({item.id, item.key, item.name} for item in app.parameters)
    _refuse_repeats(words, lambda word: document.error("parameters", f"{word!r} stands for two parameters"))
    _refuse_repeats((node.id for node in app.nodes), lambda word: document.error("nodes", f"{word!r} is twice an id"))
    _refuse_repeats(
        (output.node_id for output in app.outputs),
        lambda word: document.error("outputs", f"{word!r} is twice a nodeId"),
    )
    known = {node.id for node in app.nodes}
    for output in app.outputs:
        if output.node_id not in known:
            raise document.error("outputs", f"nodeId {output.node_id!r} is not a node of the workflow")
    for end in chain.from_iterable(app.edges):
        if end not in known:
            raise document.error("edges", f"{end!r} is not a node of the workflow")
    _check_failures(app, document)


def _check_failures(app: App, document: Document) -> None:
    names = {parameter.name for parameter in app.parameters}
    for rule in app.failures:
        if rule.parameter is not None and rule.parameter not in names:
            raise document.error("failures", f"{rule.parameter!r} is not the name of a parameter")
        if any(index >= len(app.outputs) for index in rule.outputs):
            raise document.error("failures", f"outputs {list(rule.outputs)} go beyond the app's {len(app.outputs)}")
