"""What runs have made, served like a CDN's files: public, with a content type, videos by range."""

from collections import OrderedDict
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from lamina_core.sandbox import media, plan
from lamina_core.sandbox.catalogue import App, Catalogue, OutputPlan
from lamina_core.sandbox.engine import Engine
from lamina_core.sandbox.records import Execution
from lamina_core.sandbox.shapes import NOT_FOUND, Refusal
from lamina_core.sandbox.state import State

_KEPT = 300  # pictures in memory: drawing one again costs far more than its few kilobytes
_LASTING = {"Cache-Control": "public, max-age=3600"}


class Gallery:
    """Serves finished outputs and the samples that default inputs point at."""

    def __init__(self, engine: Engine, state: State, catalogue: Catalogue, data: Path) -> None:
        self._engine = engine
        self._state = state
        self._catalogue = catalogue
        self._data = data
        self._pictures: OrderedDict[str, bytes] = OrderedDict()

    async def get_output(self, request: Request) -> Response:
        """Answer a finished output's file; 404 until it is finished."""
        place, kind = request.path_params["place"], request.path_params["kind"]
        execution = self._state.find(request.path_params["execution_id"])
        app = None if execution is None else self._catalogue.find(execution.app_id)
        if execution is None or app is None or not self._is_finished(execution, place):
            raise _missing()
        output = _find_output(app, execution, place)
        seed = execution.plan.seed  # one for all outputs, so that they show one product
        if output.type == "image" and kind == "png":
            return await self._picture(request.url.path + f"?{execution.plan.revision}", app, output, execution, seed)
        if output.type == "video" and kind == "webm":
            path = media.clip_path(self._data, app, seed)
            return FileResponse(path, media_type="video/webm", headers=_LASTING)
        raise _missing()

    async def get_sample(self, request: Request) -> Response:
        """Answer a sample picture."""
        name = request.path_params["name"]
        try:
            picture = self._pictures.get(name)
            if picture is None:
                picture = await run_in_threadpool(media.draw_sample, name)
        except KeyError:
            raise _missing() from None
        return self._answer(name, picture)

    async def get_clip(self, request: Request) -> Response:
        """Answer a sample clip."""
        try:
            path = media.sample_path(self._data, request.path_params["name"])
        except KeyError:
            raise _missing() from None
        return FileResponse(path, media_type="video/webm", headers=_LASTING)

    async def _picture(self, name: str, app: App, output: OutputPlan, execution: Execution, seed: int) -> Response:
        picture = self._pictures.get(name)
        if picture is None:
            picture = await run_in_threadpool(media.draw_picture, app, output, execution.values, seed)
        return self._answer(name, picture)

    def _answer(self, name: str, picture: bytes) -> Response:
        self._pictures[name] = picture
        self._pictures.move_to_end(name)
        if len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        return Response(picture, media_type="image/png", headers=_LASTING)

    def _is_finished(self, execution: Execution, place: int) -> bool:
        outputs = self._engine.look(execution).outputs
        return place < len(outputs) and outputs[place].status == plan.COMPLETED


def _find_output(app: App, execution: Execution, place: int) -> OutputPlan:
    node_id = execution.plan.outputs[place].node_id
    output = next((output for output in app.outputs if output.node_id == node_id), None)
    if output is None:
        raise _missing()
    return output


def _missing() -> Refusal:
    return Refusal(404, NOT_FOUND, "Not found")
