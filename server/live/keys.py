"""Where the application carries the rooms and what their verbs use."""

from aiohttp import web

from server.live.caretaker import Caretaker
from server.live.context import Live
from server.live.rooms import Rooms

LIVE = web.AppKey("live", Live)
ROOMS = web.AppKey("rooms", Rooms)
CARETAKER = web.AppKey("caretaker", Caretaker)
