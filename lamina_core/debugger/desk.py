"""What the screen of the debugger asks for: the live keys, and examinations, one at a time in a process."""

import threading

from lamina_core.clock import Clock
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.facts import Fact, read_facts
from lamina_core.debugger.keys.material import live_material, read_keys, with_others
from lamina_core.debugger.records import Examination, KeyMaterial, Specimen
from lamina_core.store.engine import Engines
from lamina_core.webhooks.keys import KeyRing


class DebuggerDesk:
    """Examines what operators paste; keeps nothing of it."""

    def __init__(self, engines: Engines, keys: KeyRing, clock: Clock) -> None:
        self._engines = engines
        self._keys = keys
        self._clock = clock
        self._turn = threading.Lock()  # two searches at once would each find half as much in their time

    def live_keys(self) -> KeyMaterial:
        """Return the key set of the configured Lamina with its age, and the keys that it had earlier."""
        retired = tuple(
            (key, f"an earlier set of Lamina's, last seen {seen:%Y-%m-%d}") for key, seen in self._keys.retired()
        )
        return live_material(self._keys.keys(), self._keys.fetched_at, self._clock.now(), retired)

    def read_keys(self, pasted: str | bytes) -> KeyMaterial:
        """Return pasted keys, and beside them Lamina's own, which the signature may have been made with after all."""
        live = self.live_keys()
        others = (*((key, "Lamina's present set") for key in live.keys), *live.others)
        return with_others(read_keys(pasted), others)

    def examine(self, specimen: Specimen, material: KeyMaterial) -> Examination:
        """Return the verdicts and the cause; waits its turn, and then takes about a second where nothing verifies."""
        with self._turn:
            return examine(specimen, material, self._clock)

    def read_facts(self, specimen: Specimen, itself: int | None = None) -> tuple[Fact, ...]:
        """Return what the store knows of the payload; `itself` is the stored delivery that the specimen is."""
        return read_facts(self._engines, specimen, itself)
