"""The server that `benchmarks.receiver` loads: our receiver beside what it is compared with, on one uvicorn.

`/no-op` reads the body, `/verify` judges it as the receiver does, `/webhooks/lamina` is the receiver, and `/naive` is
what a first version would be: a session of the ORM for each request, which loads, changes and commits.
"""

import asyncio
import sys

import anyio.to_thread
import uvicorn
from sqlmodel import Session, col, select
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lamina_core import config, runtime
from lamina_core.api import wire
from lamina_core.bodies import read_body
from lamina_core.domain import Status
from lamina_core.guard import Guard
from lamina_core.store.tables import DeliveryTable, ExecutionTable
from lamina_core.webhooks import receiver


async def do_nothing(request: Request) -> JSONResponse:
    """Read the body and say yes."""
    await read_body(request)
    return JSONResponse({"ok": True})


async def verify(request: Request) -> JSONResponse:
    """Judge a delivery, and forget it."""
    _, judgement = await runtime.current().receiver.judge_request(request)
    return JSONResponse({"ok": judgement.answer == 200}, judgement.answer)


async def receive_naively(request: Request) -> JSONResponse:
    """Judge a delivery and store it with a session of its own."""
    arrival, judgement = await runtime.current().receiver.judge_request(request)
    body = arrival.body

    def store() -> None:
        report = wire.report_from(wire.data_of(wire.parse_json(body)))
        with Session(runtime.current().engines.write, expire_on_commit=False) as session:
            wanted = select(ExecutionTable).where(col(ExecutionTable.execution_id) == report.execution_id)
            execution = session.exec(wanted).one()
            execution.status, execution.completed_at = Status.COMPLETED, report.completed_at
            delivery = DeliveryTable(
                received_at=arrival.received_at,
                verdict=judgement.verdict,
                reason=None,
                answered=200,
                request_id=report.execution_id,
                key_id=judgement.key_id,
                headers=dict(arrival.headers),
                body=body,
                body_size=len(body),
                content_hash=arrival.content_hash,
                start_token=None,
                execution=execution.id,
            )
            session.add(delivery)
            session.commit()

    await anyio.to_thread.run_sync(store)
    return JSONResponse({"ok": True})


def main() -> None:
    """Serve on the port and with the store of the command line."""
    port, database_url = int(sys.argv[1]), sys.argv[2]
    environment = {"LAMINA_DATABASE_URL": database_url, "LAMINA_SANDBOX_PORT": "1"}
    parts = runtime.build(config.load(environment))
    runtime.set_current(parts)
    routes = [
        Route("/no-op", do_nothing, methods=["POST"]),
        Route("/verify", verify, methods=["POST"]),
        Route("/naive", receive_naively, methods=["POST"]),
        Route(receiver.PATH, parts.receiver.receive, methods=["POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, learn_address=parts.learn_address)])
    runtime.settle_memory()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    asyncio.run(server.serve())
    parts.stop()


if __name__ == "__main__":
    main()
