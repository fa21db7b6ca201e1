"""The committed clips that stand for generated videos."""

from pathlib import Path

from lamina_core.sandbox.catalogue import App
from lamina_core.sandbox.media.brief import chance

CLIPS = ("spin.webm", "skyline.webm", "drift.webm")

# What an app says of itself, and the clip that looks like it.
_TELLING = {"turntable": "spin.webm", "film": "skyline.webm", "reel": "drift.webm"}


def sample_path(data: Path, name: str) -> Path:
    """Return a clip below the data directory by its name; KeyError if there is none."""
    if f"{name}.webm" not in CLIPS:
        raise KeyError(name)
    return data / "clips" / f"{name}.webm"


def clip_path(data: Path, app: App, seed: int) -> Path:
    """Return the clip, below the data directory, that an app's video output shows."""
    about = f"{app.name} {app.description or ''}".lower()
    telling = next((clip for word, clip in _TELLING.items() if word in about), None)
    chosen = telling or chance(seed, app.app_id).choice(CLIPS)
    return data / "clips" / chosen
