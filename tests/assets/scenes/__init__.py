"""Draws the pictures of the simulated phone's walk: `python -m tests.assets.scenes.build`.

Pillow and Noto Sans CJK (fonts-noto-cjk) are needed only here, not to run the service: the pictures are committed.
The enterprise, its address and its numbers are invented.
"""
