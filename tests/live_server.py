"""The live server with a tiny model, as a client of its protocol or a browser meets it."""

import asyncio
import contextlib
import json
import threading

import numpy as np
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer
from live_sounds import HOP, sounds, tiny_codec

from wavenet_ae.instrument.live.application import LiveApplication
from wavenet_ae.instrument.live.session import Played
from wavenet_ae.instrument.voices import Voices

NAMES = ("flute", "bass", "organ", "brass")


def live(
    num_sounds=2,
    num_voices=2,
    *,
    hop_length=HOP,
    too_slow=None,
    offer="Render it.",
    on_underruns=print,
):
    """The application, and the voices that it plays."""
    voices = Voices(tiny_codec(hop_length=hop_length), sounds(num_sounds), num_voices)
    made = LiveApplication(
        Played(voices, num_sounds, 128, on_underruns),
        NAMES[:num_sounds],
        most_voices=num_voices,
        too_slow=too_slow,
        offer=offer,
    )
    return made, voices


def run(test, made):
    """Runs a coroutine function with a client of an application."""

    async def with_client():
        async with TestClient(TestServer(made.application())) as client:
            await asyncio.wait_for(test(client), 60)

    asyncio.run(with_client())


class Page:
    """A connection, with what has been said on it."""

    def __init__(self, socket):
        self.socket = socket
        self.state = None
        self.ignored = []

    @classmethod
    async def open(cls, client, **headers):
        page = cls(await client.ws_connect("/live", headers=headers))
        assert (await page.socket.receive_json())["type"] == "ready"
        return page

    async def send(self, kind, **fields):
        await self.socket.send_json({"type": kind, **fields})

    async def hear(self):
        """Returns the next chunk's samples; None of an answer that something is ignored."""
        while True:
            message = await self.socket.receive()
            if message.type == WSMsgType.BINARY:
                return np.frombuffer(message.data, "<f4")
            said = json.loads(message.data)
            if said["type"] == "ignored":
                self.ignored.append(said["reason"])
                return None
            self.state = said

    async def chunks(self, count):
        """Asks for chunks; returns float32 `[count, samples]`."""
        await self.send("credit", chunks=count)
        heard = np.stack([await self.hear() for _ in range(count)])
        assert heard.shape == (count, HOP)
        return heard

    @property
    def keys(self):
        return [voice["key"] for voice in self.state["voices"]]


@contextlib.contextmanager
def serving(made, port=0):
    """Serves an application in a thread; gives the address."""
    ready, addresses = threading.Event(), []

    async def serve():
        runner = web.AppRunner(made.application(), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        addresses.append(runner.addresses[0][1])
        stop = asyncio.Event()
        addresses.append((asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield f"http://127.0.0.1:{addresses[0]}/"
    finally:
        loop, stop = addresses[1]
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
