"""The server of the live page: the page, its modules, and the stream of the voices."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument import page, server
from wavenet_ae.instrument.live.session import Played, Session
from wavenet_ae.instrument.local_only import local_only
from wavenet_ae.instrument.voices import HEADROOM

# Of WebSockets, for applications' own purposes.
TAKEN_OVER = 4001
_GOING_AWAY = 1001


class LiveApplication:
    """Answers with the page, and plays for the tab that has opened it last.

    Args:
        played: what it plays.
        names: of the sounds, one, two or four.
        most_voices: that sound at once.
        too_slow: what a page says about this machine from the start, or None.
        offer: what it says when there were gaps.
    """

    def __init__(
        self,
        played: Played,
        names: Sequence[str],
        *,
        most_voices: int,
        too_slow: str | None,
        offer: str,
    ):
        self._played = played
        self._worker = ThreadPoolExecutor(1)
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        # A page of an earlier server, which may have had other sounds, loads itself again.
        self._live = {
            "server": uuid.uuid4().hex,
            "hop": played.instrument.chunk_samples,
            "rate": SAMPLE_RATE_HZ,
            "voices": most_voices,
            "headroom": HEADROOM,
            "takenOver": TAKEN_OVER,
            "tooSlow": too_slow,
            "offer": offer,
        }
        name = " · ".join(names)
        self._page = page.render(name, {"name": name, **describe(names), "live": self._live})

    def application(self) -> web.Application:
        """Returns what `server.serve` takes."""
        served = web.Application(middlewares=[local_only, server.fresh])
        served.router.add_get("/", self._answer)
        served.router.add_get("/live", self._connect)
        served.router.add_static("/page", page.PARTS)
        served.on_shutdown.append(self._end)
        served.cleanup_ctx.append(self._threads)
        return served

    async def _answer(self, _: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        """Plays for a page, in place of the one before."""
        session, before = Session(self._played, self._worker), self._session
        await session.socket.prepare(request)
        self._session = session
        if before is not None:
            await before.close(TAKEN_OVER, "another tab plays")
        async with self._turn:
            if not session.socket.closed:
                await session.run({"server": self._live["server"]})
        if self._session is session:
            self._session = None
        return session.socket

    async def _end(self, _: web.Application) -> None:
        if self._session is not None:
            await self._session.close(_GOING_AWAY, "the server ends")

    async def _threads(self, _: web.Application) -> AsyncIterator[None]:
        yield
        self._worker.shutdown()
        self._played.instrument.close()


def describe(names: Sequence[str]) -> dict[str, Any]:
    """Returns a pad whose cells are its corners, in the form of a rendered instrument."""
    cells = list(range(len(names)))
    return {
        "sounds": list(names),
        "resolution": 2,
        "pitches": [60],
        "squares": [{"corners": cells, "cells": [cells[:2], cells[2:]] if cells[2:] else [cells]}],
        "cells": [[float(sound == cell) for sound in cells] for cell in cells],
        "notes": [],
    }
