"""Examples are not timed: a busy machine is no defect."""

from hypothesis import settings

settings.register_profile("media", deadline=None)
settings.load_profile("media")
