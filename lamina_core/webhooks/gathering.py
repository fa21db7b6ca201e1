"""Hands what arrives together to the writer together: once a turn of the event loop, not once a request.

To wake the writer's thread, and to be woken by it, costs more than to store a delivery.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from lamina_core import errors

Item = TypeVar("Item")
Result = TypeVar("Result")


class Gathering(Generic[Item, Result]):
    """Collects items during a turn of the loop; `submit` takes them all and promises a result or an error for each."""

    def __init__(self, submit: Callable[[Sequence[Item]], Future[list[Result | Exception]]]) -> None:
        self._submit = submit
        self._items: list[Item] = []
        self._answers: list[asyncio.Future[Result]] = []

    async def hand_in(self, item: Item) -> Result:
        """Wait until an item is durable and return its result, or raise its error; StoreBusy when too much waits."""
        loop = asyncio.get_running_loop()
        if not self._items:
            loop.call_soon(self._flush)
        answer: asyncio.Future[Result] = loop.create_future()
        self._items.append(item)
        self._answers.append(answer)
        return await answer

    def _flush(self) -> None:
        items, answers = self._items, self._answers
        self._items, self._answers = [], []
        try:
            stored = asyncio.wrap_future(self._submit(items))
        except errors.StoreBusy as error:
            _settle(answers, [error] * len(items))
            return
        stored.add_done_callback(lambda done: _settle(answers, done.result()))


def _settle(answers: Sequence["asyncio.Future[Result]"], results: Sequence[Result | Exception]) -> None:
    for answer, result in zip(answers, results, strict=True):
        if answer.done():
            continue  # its request was given up meanwhile
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)
