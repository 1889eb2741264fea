"""The stream between voices and one page: its messages are played, chunks are sent for its credit.

A page gives credit as its ring empties, so that its sound card sets the pace: nothing is generated
ahead of what it has asked for, and nothing waits in between.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from aiohttp import WSMsgType, web

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument.live import messages
from wavenet_ae.instrument.live.messages import Credit, MessageError, Underruns
from wavenet_ae.instrument.performance import Event, NoteOn, Pad, Panic, Pedal
from wavenet_ae.instrument.voices import Chunk, LiveInstrument

MOST_WAITING = 1000  # events between two chunks, but for those that let go of keys
_MOST_CHARACTERS = 4096  # of a message
_CHUNKS_PER_STATE = 8
_TIMED_CHUNKS = 30  # about a second
_MANY_UNDERRUNS = 3
_CLOSING_S = 1.0  # that a page has for its farewell


class Played(NamedTuple):
    """What a session plays, and for whom.

    Attributes:
        instrument: what generates.
        num_sounds: on the pad.
        num_keys: MIDI keys that can be played, from 0.
        on_underruns: called once if a page's sound was interrupted several times.
    """

    instrument: LiveInstrument
    num_sounds: int
    num_keys: int
    on_underruns: Callable[[int], None]


class Session:
    """One page's connection.

    Args:
        played: what it plays.
        worker: with one thread, in which chunks are generated.
    """

    def __init__(self, played: Played, worker: Executor):
        self._played, self._worker = played, worker
        self._socket = web.WebSocketResponse(
            timeout=_CLOSING_S, heartbeat=20, max_msg_size=_MOST_CHARACTERS, compress=False
        )
        self._waiting: list[Event] = []  # for the next chunk
        self._pad: Pad | None = None  # the last place, which is all that counts in a chunk
        self._num_received = 0
        self._credit = asyncio.Semaphore(0)
        self._num_owed = 0
        self._chunk_began = time.perf_counter()
        self._seconds: deque[float] = deque(maxlen=_TIMED_CHUNKS)
        self._has_warned = False

    @property
    def socket(self) -> web.WebSocketResponse:
        return self._socket

    async def close(self, code: int, reason: str) -> None:
        """Ends the connection; the page gets the code and the reason."""
        await self._socket.close(code=code, message=reason.encode())

    async def run(self, greeting: dict[str, object]) -> None:
        """Plays until the page has gone or the connection was closed; then all is silent."""
        await self._socket.send_json({"type": "ready", **greeting})
        tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._send())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConnectionError:
            pass  # the page has gone while something was sent
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._waiting, self._pad = [Panic()], None
            await asyncio.shield(self._generate())

    async def _receive(self) -> None:
        async for message in self._socket:
            self._num_received += 1
            try:
                if message.type != WSMsgType.TEXT:
                    raise MessageError("bytes are not understood")
                self._take(message.data)
            except MessageError as error:
                await self._socket.send_json({"type": "ignored", "reason": str(error)})

    def _take(self, text: str) -> None:
        match messages.parse(text, self._played.num_sounds, self._played.num_keys):
            case Credit(chunks):
                if self._num_owed + chunks > messages.MOST_CHUNKS:
                    raise MessageError(f"more than {messages.MOST_CHUNKS} chunks are asked for")
                self._num_owed += chunks
                for _ in range(chunks):
                    self._credit.release()
            case Underruns(count):
                if count >= _MANY_UNDERRUNS and not self._has_warned:
                    self._has_warned = True
                    self._played.on_underruns(count)
            case Pad() as pad:
                self._pad = pad
            case event:
                self._keep(event)

    def _keep(self, event: Event) -> None:
        """Keeps an event for the next chunk. What lets go is kept always, or a note would hang."""
        if len(self._waiting) >= MOST_WAITING:
            match event:
                case NoteOn() | Pedal(is_down=True):
                    raise MessageError(f"{MOST_WAITING} events wait already for the next chunk")
            # Nothing is pressed any more, so that once is enough: 128 keys bound what waits.
            beyond = self._waiting[MOST_WAITING:]
            if any(type(other) is type(event) and other[:-1] == event[:-1] for other in beyond):
                return
        self._waiting.append(event._replace(at=self._place()))

    def _place(self) -> int:
        """Returns the sample of the next chunk for what comes now.

        Events keep their distances, as heard a chunk later, instead of moving to its start.
        """
        elapsed = time.perf_counter() - self._chunk_began
        return min(int(elapsed * SAMPLE_RATE_HZ), self._played.instrument.chunk_samples - 1)

    async def _send(self) -> None:
        shown, since = None, 0
        while True:
            await self._credit.acquire()
            num_played = self._num_received
            chunk = await self._generate()
            self._num_owed -= 1
            state = (num_played, [(voice.key, voice.has_key) for voice in chunk.voices])
            since += 1
            if state != shown or (chunk.voices and since >= _CHUNKS_PER_STATE):
                shown, since = state, 0
                await self._socket.send_json(self._state(num_played, chunk))
            await self._socket.send_bytes(chunk.audio.astype("<f4", copy=False).tobytes())

    async def _generate(self) -> Chunk:
        pads = [] if self._pad is None else [self._pad]
        events, self._waiting, self._pad = [*pads, *self._waiting], [], None
        self._chunk_began = time.perf_counter()
        loop = asyncio.get_running_loop()
        chunk, seconds = await loop.run_in_executor(self._worker, self._next_chunk, events)
        if chunk.voices:
            self._seconds.append(seconds)
        return chunk

    def _next_chunk(self, events: list[Event]) -> tuple[Chunk, float]:
        start = time.perf_counter()
        for event in events:
            self._played.instrument.send(event)
        return self._played.instrument.next_chunk(), time.perf_counter() - start

    def _state(self, num_played: int, chunk: Chunk) -> dict[str, object]:
        """Returns what the page shows of the chunk that follows.

        `played` counts the page's messages that are in it or were in earlier ones.
        """
        factor = None
        if self._seconds:
            seconds = self._played.instrument.chunk_samples / SAMPLE_RATE_HZ
            factor = round(seconds / float(np.median(self._seconds)), 2)
        return {
            "type": "state",
            "played": num_played,
            "voices": [voice._asdict() for voice in chunk.voices],
            "factor": factor,
        }
