"""Kills the process again and again under load, and takes account after each kill and at the end.

The sandbox goes on while the process is dead: executions end, and webhooks find nobody and are tried again.
"""

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from tests.crash import checks, desk
from tests.crash.account import Account, read_journals, read_states, read_store
from tests.crash.desk import Desk, DeskEnded
from tests.crash.load import REST, Load, faults_to_arm
from tests.crash.witness import Witness

SPEED = 20.0  # of the sandbox: pictures take half a second, and webhooks are tried again for eight
_START_TAKES = 2.0  # seconds, about
_AIM = 3.0  # seconds to wait for what a kill is aimed at
_STANDSTILL = 1.0  # seconds
_UNDER_WAY = 4.0  # seconds in which the sandbox may still accept the start of a process that was killed: it was slow
_SETTLED = frozenset({"completed", "failed", "cancelled", "start_failed", "start_unconfirmed", "gone"})


class Moment(StrEnum):
    """When a process is killed; the words follow "killed". Chance alone rarely meets a window of a few milliseconds."""

    STARTING = "while it started"
    WORKING = "while it worked"
    START_ACCEPTED = "as a start was accepted"  # its answer is on the way, or not yet stored
    DELIVERY_TAKEN = "as a delivery got its 2xx"
    STANDSTILL = "after a standstill, as the first of the deliveries that had come got its 2xx"


_MOMENTS = {
    Moment.STARTING: 15,
    Moment.WORKING: 20,
    Moment.START_ACCEPTED: 25,
    Moment.DELIVERY_TAKEN: 25,
    Moment.STANDSTILL: 15,
}


@dataclass(frozen=True)
class Plan:
    """How a run goes; all times in seconds.

    Most processes live up to `short_life` after they first answer. A share `long_lives` of them lives up to
    `long_life`: a new process polls only after the lease of the killed one has run out, in some 12 s. At the end are
    `patience` seconds for everything to come to rest; only with `waits_for_starts` does that include the starts that
    a kill left without an answer, which are called unconfirmed after 65 s. However slow the machine is, a process that
    is not killed while it starts has taken `least` deliveries before.
    """

    kills: int
    seed: int
    load: Load
    short_life: float
    long_life: float
    long_lives: float
    patience: float
    waits_for_starts: bool
    least: int = 0
    rate_limit: int = 0
    generation: str = "executions"


@dataclass(frozen=True)
class Verdict:
    """What a run showed: the last account, and every breach with the kill after which it was seen first."""

    account: Account
    breaches: tuple[str, ...]
    kills: int
    tracebacks: int


class Run:
    """One run of a plan in one folder."""

    def __init__(self, plan: Plan, folder: Path, report: Callable[[str], None]) -> None:
        self._plan = plan
        self._folder = folder
        self._report = report
        self._rng = random.Random(plan.seed)
        self._breaches: dict[str, str] = {}  # each with when it was found first

    def carry_out(self) -> Verdict:
        """Do all kills, let everything come to rest, and judge."""
        plan, kills = self._plan, 0
        settings = {"seed": plan.seed, "rate_limit": plan.rate_limit, "generation": plan.generation}
        with (
            desk.opened(self._folder, speed=SPEED, **settings) as (sandbox, process),
            closing(Witness(sandbox.base_url)) as witness,
        ):
            try:
                for kills in range(1, plan.kills + 1):
                    moment = self._live_and_kill(process, witness, kills)
                    self._judge(self._take_account(process, witness), checks.ALWAYS, f"kill {kills} {moment}")
                witness.disarm()
                process.start(REST)
                process.wait_for_answer()
                desk.wait(_UNDER_WAY)
                if not desk.wait_until(lambda: self._is_at_rest(process, witness), plan.patience, every=0.5):
                    self._breaches[f"not everything came to rest within {plan.patience:.0f} s"] = "at the end"
                process.stop()
            except DeskEnded as ended:
                self._breaches[str(ended)] = f"process {process.lives}"
                process.close()
            account = replace(self._take_account(process, witness), statuses=witness.read_statuses())
            self._judge(account, (*checks.ALWAYS, *checks.AT_REST), "at the end")
            tracebacks = process.read_log().count("Traceback (most recent call last)")
        breaches = tuple(f"{when}: {breach}" for breach, when in self._breaches.items())
        return Verdict(account, breaches, kills, tracebacks)

    def _live_and_kill(self, process: Desk, witness: Witness, number: int) -> str:
        """Let a process work until a random moment and kill it; return which moment that was."""
        plan, rng = self._plan, self._rng
        moment = rng.choices(list(_MOMENTS), list(_MOMENTS.values()))[0]
        is_long = number == 1 or rng.random() < plan.long_lives
        longest = plan.long_life if is_long else plan.short_life
        seconds = rng.uniform(0.0, _START_TAKES if moment is Moment.STARTING else longest)
        process.start(replace(plan.load, seed=f"{plan.seed}:{number}"))
        if moment is not Moment.STARTING:
            process.wait_for_answer()
        least = witness.taken + plan.least
        for fault in rng.sample(faults_to_arm(plan.generation), 2):
            witness.arm(fault)
        desk.wait(seconds)
        if moment is not Moment.STARTING:
            desk.wait_until(lambda: self._has_taken(witness, least), desk.START_PATIENCE)
        if moment is Moment.STANDSTILL:
            process.hold(_STANDSTILL)
        self._aim(witness, moment)
        process.kill()
        return f"{moment}, after {seconds:.1f} s"

    def _aim(self, witness: Witness, moment: Moment) -> None:
        """Return as soon as the sandbox has logged what the kill is aimed at."""
        if moment in {Moment.STARTING, Moment.WORKING}:
            return
        witness.follow()
        seen = len(witness.accepted), witness.taken

        def has_come() -> bool:
            witness.follow()
            accepted, taken = seen
            return len(witness.accepted) > accepted if moment is Moment.START_ACCEPTED else witness.taken > taken

        desk.wait_until(has_come, _AIM, every=0.0005)

    def _has_taken(self, witness: Witness, least: int) -> bool:
        witness.follow()
        return witness.taken >= least

    def _take_account(self, process: Desk, witness: Witness) -> Account:
        # The log first: what it holds must be in the store, while the store may know more than the log yet.
        witness.follow()
        store = read_store(process.database)
        return Account(read_journals(self._folder), tuple(witness.accepted), tuple(witness.attempts), store, {})

    def _judge(self, account: Account, wanted: tuple[checks.Check, ...], when: str) -> None:
        found = checks.find_breaches(account, wanted)
        for breach in found:
            self._breaches.setdefault(breach, when)
        counts = checks.count(account)
        self._report(f"{when}: {counts.starts_asked} starts, {counts.deliveries_2xx} deliveries, {len(found)} breaches")

    def _is_at_rest(self, process: Desk, witness: Witness) -> bool:
        process.answers()
        if not witness.is_quiet():
            return False
        settled = _SETTLED if self._plan.waits_for_starts else _SETTLED | {"starting"}
        return all(status in settled and not is_polled for status, is_polled in read_states(process.database))
