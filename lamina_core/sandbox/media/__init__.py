"""What the sandbox's executions make: pictures and texts drawn from the inputs, and short clips.

Pure: the same arguments give the same bytes.
"""

from lamina_core.sandbox.media.pictures import draw_picture, draw_sample

__all__ = ["draw_picture", "draw_sample"]
