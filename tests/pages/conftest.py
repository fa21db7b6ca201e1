"""Screens run by Streamlit's own AppTest over a real runtime and a real sandbox; the poller is stepped by hand."""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from streamlit import config as streamlit_config
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest

from lamina_core import config, identity, intake, runtime, starts
from lamina_core.api import wire
from lamina_core.clock import SystemClock
from lamina_core.domain import Execution, Generation, Kind, Operator, Origin, Role, Source, Status, Update
from lamina_core.runtime import Runtime
from lamina_core.sandbox.server import Sandbox
from lamina_core.store import executions
from lamina_core.store.executions import Intent, Payload
from lamina_core.store.tables import ExecutionTable, PayloadTable

_COMPONENTS = BidiComponentManager()  # shared: each new one would read every installed package's metadata
_SEEN: dict[str, int] = {}  # how far each sandbox's log was read
_HTTP = httpx.Client(trust_env=False)
ROUTER = config.PROJECT / "pages" / "router.py"
SECONDS = 15  # that a run of a screen may take on a busy machine
ADA = Operator("Ada", Role.ADMIN)

APPS = {
    "Studio Product Shot": "7a62d16d-dbe6-47f2-875e-efb4c6dea863",
    "Cartoon Portrait": "a507249e-ae7e-43e5-acbe-4934825dafe7",
    "Full Catalogue Set": "793691c4-fbe2-4889-83f9-46940e235d86",
    "Product Spin": "4a37e97b-6c36-4d29-bdca-9db243fc6daf",
    "Ad Copy Trio": "96e5824b-7ad6-4313-ae01-fd248c5695d6",
    "Golden Hour Relight": "deee8e16-7e00-47ec-a7fc-aa36571f2413",
    "Seasonal Trio": "04136261-25f6-406e-8e1f-8ee91d385f67",
    "Moodboard from Links": "96309ffa-25f9-4713-a1ce-ad93ea0c0a65",
    "Brand Scene Builder": "93a6ef31-ed1c-4675-ab42-4cc2dc241ae3",
}

HOSTILE = {
    "markdown": "# **bold** _it_ `code` [a](https://example.com) ![i](/i.png) | a | 1. x - [ ] ~~s~~",
    "html": "<script>alert(1)</script><b onclick='x'>&amp;</b>",
    "latex": "$\\frac{a}{b}$ and $$c$$",
    "directive": ":material/delete: :red[red] :blue-badge[b] :smile: :streamlit:",
    "emoji": "👩‍🚀 🏳️‍🌈 e\u0301",
    "rtl": "שלום \u202eevil\u202c مرحبا",
    "long": "x" * 5_000,
    "spaces": "two  spaces, a trailing one ",
}


def plain(text: str) -> str:
    """What a text looks like once Markdown has taken its escapes away."""
    text = text.replace("\u2060", "").replace("\u00a0", " ")
    return "".join(
        sign
        for place, sign in enumerate(text)
        if not (sign == "\\" and place + 1 < len(text) and text[place + 1] in _ESCAPED and _is_escape(text, place))
    )


_ESCAPED = "\\`*_{}[]()<>#+-.!|~$:@&^="


def _is_escape(text: str, place: int) -> bool:
    before = len(text[:place]) - len(text[:place].rstrip("\\"))
    return before % 2 == 0


class Screen:
    """One browser session's screen, and what stands on it."""

    def __init__(self, name: str, params: dict[str, str]) -> None:
        self.at = AppTest.from_file(ROUTER, default_timeout=SECONDS)
        self.at._bidi_component_manager = _COMPONENTS
        self.at.run()
        if name != "overview":
            self.at.switch_page(f"{name}.py")
        for key, value in params.items():
            self.at.query_params[key] = value
        self.run()

    def run(self) -> "Screen":
        self.at.run()
        return self

    def go(self, name: str, **params: str) -> "Screen":
        """Open another screen in the same session, as a link does."""
        self.at.switch_page(f"{name}.py")
        self.at.query_params.clear()
        for key, value in params.items():
            self.at.query_params[key] = value
        return self.run()

    @property
    def text(self) -> str:
        """All that can be read on the screen, without Markdown's escapes."""
        at = self.at
        found: list[Any] = []
        for kind in ("title", "header", "subheader", "markdown", "caption", "code", "json"):
            found += getattr(at, kind)
        for kind in ("error", "warning", "info", "success"):
            found += getattr(at, kind)
        lines = [str(element.value) for element in found]
        lines += [f"{metric.label} {metric.value}" for metric in at.metric]
        lines += [str(widget.label) for kind in _WIDGETS for widget in getattr(at, kind)]
        return plain("\n".join(lines))

    @property
    def errors(self) -> list[str]:
        return [plain(element.value) for element in self.at.error]

    @property
    def params(self) -> dict[str, str]:
        return {key: value if isinstance(value, str) else value[0] for key, value in self.at.query_params.items()}

    def widget(self, kind: str, label: str) -> Any:
        """The control whose label begins with this text."""
        found = [widget for widget in getattr(self.at, kind) if plain(widget.label).startswith(label)]
        assert len(found) == 1, f"{len(found)} controls {label!r} among {[w.label for w in getattr(self.at, kind)]}"
        return found[0]

    def has_widget(self, kind: str, label: str) -> bool:
        return any(plain(widget.label).startswith(label) for widget in getattr(self.at, kind))

    def press(self, label: str) -> "Screen":
        found = [button for button in self.at.button if button.label == label]
        assert found, f"no button {label!r} among {[button.label for button in self.at.button]}"
        found[-1].click()
        return self.run()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table on the screen."""
        return self.at.dataframe[0].value.to_dict("records") if self.at.dataframe else []

    def expect_no_traceback(self) -> "Screen":
        assert [element.value for element in self.at.exception] == []
        return self


_WIDGETS = ("button", "toggle", "selectbox", "text_input", "text_area", "multiselect", "button_group", "tabs")


class Desk:
    """A runtime whose poller nobody started, its sandbox, and what a test wants to do to both."""

    def __init__(self, parts: Runtime, sandbox_url: str) -> None:
        self.parts = parts
        self.sandbox_url = sandbox_url
        self._numbers = count(1)
        self._asked_before = _SEEN[sandbox_url] = self._read_log(_SEEN.get(sandbox_url, 0))["sequence"]

    def open(self, name: str, **params: str) -> Screen:
        return Screen(name, params).expect_no_traceback()

    def step(self) -> None:
        """One round of the poller, and what it hands to the writer."""
        self.parts.poller.step()
        self.settle()

    def settle(self) -> None:
        wait_until(lambda: not self.parts.poller._reading)
        self.parts.writer.run(lambda connection: None)

    def refresh(self, row_id: int) -> None:
        """Ask Lamina for one execution, as the poller does."""
        self.parts.poller._reader.read(self.row(row_id))  # the row has all that a read needs
        self.settle()

    def finish(self, row_id: int) -> Execution:
        """Poll one execution until Lamina has ended it."""

        def ended() -> bool:
            self.refresh(row_id)
            return self.row(row_id).status.terminal

        wait_until(ended)
        return self.row(row_id)

    def start(self, app: str, **changes: Any) -> int:
        """Start an app with its defaults as an operator does, but without a screen."""
        found = self.parts.operations.open_app(APPS.get(app, app))
        inputs = {parameter.name: parameter.default for parameter in found.parameters or () if parameter.has_default}
        token = starts.new_token(self.parts.rng)
        request = starts.StartRequest(token, found, inputs | changes)
        return self.parts.operations.start(ADA, request, self.parts.webhook_url)

    def row(self, row_id: int) -> Execution:
        with self.parts.engines.reading() as connection:
            found = executions.find(connection, row_id)
        assert found is not None
        return found

    def payload(self, row_id: int) -> Payload:
        with self.parts.engines.reading() as connection:
            found = executions.find_payload(connection, row_id)
        assert found is not None
        return found

    def row_count(self) -> int:
        with self.parts.engines.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(ExecutionTable)).scalar_one()

    def newest(self) -> int:
        with self.parts.engines.reading() as connection:
            return connection.execute(sa.text("SELECT max(id) FROM execution")).scalar_one()

    def keep(
        self,
        status: str = "completed",
        *,
        error: str | None = None,
        app_id: str = "app-1",
        app_name: str = "Portrait Studio",
        started_by: str = "Ada",
        age: float = 60.0,
        execution_id: str | None = None,
        outputs: list[dict[str, Any]] | None = None,
        inputs: dict[str, Any] | None = None,
    ) -> int:
        """Put an execution into the store as a start and a poll would have left it."""
        number = next(self._numbers)
        created = self.parts.clock.now() - timedelta(seconds=age)
        name = execution_id or f"exec-{number:05}"
        intent = _intent(f"kept-{number}", app_id, app_name, started_by, inputs or {})
        instant = created.isoformat().replace("+00:00", "Z")
        document = {
            "executionId": name,
            "workflowId": app_id,
            "status": status,
            "outputs": outputs or [],
            "errorMessage": error,
            "createdAt": instant,
            "startedAt": instant,
            "completedAt": instant if status in {"completed", "failed", "cancelled"} else None,
        }

        def work(connection: sa.Connection) -> int:
            row = executions.insert_intent(connection, intent, created)
            update = Update(Source.START, created, row, report=wire.report_from(document))
            intake.apply_update(connection, update, created)
            return row

        return self.parts.writer.run(work)

    def keep_many(self, number: int) -> None:
        """Put thousands of executions into the store at once: a third failed, the rest completed."""
        now = self.parts.clock.now()
        shared = {"missing_count": 0, "poll_count": 0, "origin": Origin.FORM, "webhook_expected": False}
        rows = [
            {
                "id": 10_000 + place,
                "execution_id": f"many-{place:05}",
                "app_id": f"app-{place % 3}",
                "app_name": f"App number {place % 3}",
                "status": Status.FAILED if place % 3 == 0 else Status.COMPLETED,
                "kind": Kind.IMAGE,
                "generation": Generation.EXECUTIONS,
                "error_message": f"reason {place}" if place % 3 == 0 else None,
                "created_at": now - timedelta(seconds=number - place),
                "completed_at": now,
                "updated_at": now,
                "started_by": "Ada",
                **shared,
            }
            for place in range(number)
        ]

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(ExecutionTable), rows)
            payloads = [{"execution": row["id"], "start_token": f"many-{row['id']}", "inputs": {}} for row in rows]
            connection.execute(sa.insert(PayloadTable), payloads)

        self.parts.writer.run(work)

    def arm(self, fault: str, times: int = 1, **more: Any) -> None:
        body = {"fault": fault, "times": times, **more}
        _HTTP.post(f"{self.sandbox_url}/sandbox/faults", json=body).raise_for_status()

    def log(self) -> dict[str, Any]:
        """What the sandbox was asked since this desk was made."""
        return self._read_log(self._asked_before)

    def _read_log(self, since: int) -> dict[str, Any]:
        try:
            return _HTTP.get(f"{self.sandbox_url}/sandbox/log", params={"since": since}).json()
        except httpx.TransportError:
            return {"sequence": 0}  # nobody is at this address


def _intent(token: str, app_id: str, app_name: str, started_by: str, inputs: dict[str, Any]) -> Intent:
    return Intent(
        token=token,
        app_id=app_id,
        app_name=app_name,
        kind=Kind.IMAGE,
        generation=Generation.EXECUTIONS,
        inputs=inputs,
        chosen_outputs=(),
        origin=Origin.FORM,
        replay_of=None,
        started_by=started_by,
        webhook_expected=False,
    )


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"it took longer than {seconds} s"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def own_session_state() -> Iterator[None]:
    """AppTest keeps what cannot be pickled in the session's state; that ours can be has a test of its own."""
    before = streamlit_config.get_option("runner.enforceSerializableSessionState")
    streamlit_config.set_option("runner.enforceSerializableSessionState", False)
    yield
    streamlit_config.set_option("runner.enforceSerializableSessionState", before)


def _sandbox(speed: float = 200.0) -> Sandbox:
    return Sandbox(
        catalogue_file=config.DATA / "catalogue.json",
        database=None,
        clock=SystemClock(),
        seed=7,
        speed=speed,
        rate_limit=0,
        port=0,
    )


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One for all screens: stopping each would take most of the time."""
    running = _sandbox()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    _HTTP.delete(f"{shared_sandbox.base_url}/sandbox/faults").raise_for_status()
    return shared_sandbox


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """One that a test may stop."""
    running = _sandbox()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def slow_desk(make_desk: Callable[..., "Desk"]) -> Iterator["Desk"]:
    """A desk whose executions stay in flight, in generation `runs`."""
    running = _sandbox(speed=1.0)
    running.start()
    made = make_desk(running.base_url, LAMINA_API_GENERATION="runs")
    made.step()
    yield made
    running.stop()


@pytest.fixture
def make_desk(tmp_path: Path, migrated: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Runtime] = []

    shutil.copy(migrated, tmp_path / "desk.db")

    def make(base_url: str, **changes: str) -> Desk:
        environment = {
            "LAMINA_API_KEY": "lma_test",
            "LAMINA_BASE_URL": base_url,
            "LAMINA_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}",
            "LAMINA_RATE_LIMIT_PER_MINUTE": "100000",
        }
        parts = runtime.build(config.load(environment | changes))
        made.append(parts)
        runtime.set_current(parts)
        return Desk(parts, base_url)

    yield make
    for parts in made:
        parts.stop()
    runtime.set_current(None)


@pytest.fixture
def desk(make_desk: Callable[..., Desk], sandbox: Sandbox) -> Desk:
    """A desk whose store is empty but for the list of apps."""
    made = make_desk(sandbox.base_url)
    made.step()
    return made


@pytest.fixture
def runs_desk(make_desk: Callable[..., Desk], sandbox: Sandbox) -> Desk:
    """The same in generation `runs`, which can cancel, estimate and choose outputs."""
    made = make_desk(sandbox.base_url, LAMINA_API_GENERATION="runs")
    made.step()
    return made


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def as_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sign-in everybody is an admin; this is the one place where a session's role can be another."""
    monkeypatch.setattr(identity, "read_operator", lambda cookies: Operator("Vera", Role.VIEWER))
