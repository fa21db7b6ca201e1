"""What arrives in one turn of the loop is handed in together, and everybody gets an answer of their own."""

import asyncio
from concurrent.futures import Future

import pytest

from lamina_core import errors
from lamina_core.webhooks.gathering import Gathering


class Submissions:
    """Takes what is handed in and answers when the test says so."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.promised: list[Future] = []
        self.is_full = False

    def __call__(self, items) -> Future:
        if self.is_full:
            raise errors.StoreBusy("full")
        self.taken.append(list(items))
        self.promised.append(Future())
        return self.promised[-1]

    async def come(self, number: int) -> None:
        """Let the loop turn until so many submissions have come."""
        async with asyncio.timeout(30):
            while len(self.taken) < number:  # noqa: ASYNC110 - turns of the loop are what is waited for
                await asyncio.sleep(0)


def test_one_turn_of_the_loop_is_one_submission_with_an_answer_for_each():
    submissions = Submissions()

    async def hand_in() -> list:
        gathering = Gathering(submissions)
        waiting = [asyncio.create_task(gathering.hand_in(number)) for number in range(3)]
        await submissions.come(1)
        late = asyncio.create_task(gathering.hand_in(9))
        await submissions.come(2)
        submissions.promised[0].set_result(["a", errors.StoreError("this one alone"), "c"])
        submissions.promised[1].set_result(["z"])
        return await asyncio.gather(*waiting, late, return_exceptions=True)

    first, second, third, late = asyncio.run(hand_in())
    assert submissions.taken == [[0, 1, 2], [9]]
    assert (first, str(second), third, late) == ("a", "this one alone", "c", "z")


def test_a_full_queue_is_told_to_everybody_and_the_next_turn_starts_anew():
    submissions = Submissions()
    submissions.is_full = True

    async def hand_in() -> str:
        gathering = Gathering(submissions)
        refused = await asyncio.gather(*(gathering.hand_in(number) for number in range(2)), return_exceptions=True)
        assert [type(each) for each in refused] == [errors.StoreBusy, errors.StoreBusy]
        submissions.is_full = False
        task = asyncio.create_task(gathering.hand_in(5))
        await submissions.come(1)
        submissions.promised[0].set_result(["fine"])
        return await task

    assert asyncio.run(hand_in()) == "fine"


def test_a_request_that_was_given_up_does_not_disturb_the_others():
    submissions = Submissions()

    async def hand_in() -> str:
        gathering = Gathering(submissions)
        given_up, waiting = (asyncio.create_task(gathering.hand_in(number)) for number in range(2))
        await submissions.come(1)
        given_up.cancel()
        await asyncio.sleep(0)
        submissions.promised[0].set_result(["lost", "kept"])
        with pytest.raises(asyncio.CancelledError):
            await given_up
        return await waiting

    assert asyncio.run(hand_in()) == "kept"
