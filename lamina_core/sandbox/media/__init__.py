"""What the sandbox's executions make: pictures and texts drawn from the inputs, and short clips.

Pure: the same arguments give the same bytes.
"""

from lamina_core.sandbox.media.clips import CLIPS, clip_path, sample_path
from lamina_core.sandbox.media.copywriting import compose_text
from lamina_core.sandbox.media.pictures import draw_picture, draw_sample

__all__ = ["CLIPS", "clip_path", "compose_text", "draw_picture", "draw_sample", "sample_path"]
