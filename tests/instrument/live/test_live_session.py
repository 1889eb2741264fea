"""The stream between the voices and a page, without a browser."""

import asyncio
import threading
import types

import numpy as np
import pytest
from aiohttp import WSServerHandshakeError
from live_server import Page, live, run
from live_sounds import HOP, sounds, tiny_codec

from wavenet_ae.instrument.live import session
from wavenet_ae.instrument.live.application import TAKEN_OVER
from wavenet_ae.instrument.performance import (
    NoteOff,
    NoteOn,
    Pad,
    Panic,
    Pedal,
    ReleaseAll,
)
from wavenet_ae.instrument.voices import Voices


@pytest.fixture
def still(monkeypatch):
    """A clock that hardly moves, so that all events come at the start of a chunk."""
    clock = types.SimpleNamespace(now=100.0)

    def read():
        clock.now += 1e-9
        return clock.now

    monkeypatch.setattr(session, "time", types.SimpleNamespace(perf_counter=read))
    return clock


def counted(voices):
    """Counts the chunks that are generated."""
    count, generate = [], voices.next_chunk

    def next_chunk():
        count.append(1)
        return generate()

    voices.next_chunk = next_chunk
    return count


def test_what_is_sent_is_what_the_voices_play(still):
    made, _ = live()

    async def play(client):
        page = await Page.open(client)
        await page.send("move", x=0.25, y=0)
        await page.send("on", key=60, velocity=100)
        heard = [await page.chunks(2)]
        assert page.state["played"] == 3
        assert page.keys == [60]
        assert page.state["voices"][0]["has_key"]
        await page.send("off", key=60)
        heard.append(await page.chunks(2))
        assert not page.state["voices"][0]["has_key"]
        alone = Voices(tiny_codec(), sounds(2), 2)
        expected = []
        for events in ([Pad((0.75, 0.25)), NoteOn(60, 100)], [], [NoteOff(60)], []):
            for event in events:
                alone.send(event)
            expected.append(alone.next_chunk().audio)
        np.testing.assert_array_equal(np.concatenate(heard), np.stack(expected))
        assert np.abs(expected).max() > 0.01

    run(play, made)


def test_no_more_is_generated_than_is_asked_for(still):
    made, voices = live()
    count = counted(voices)

    async def play(client):
        page = await Page.open(client)
        await page.send("on", key=60, velocity=100)
        await page.send("hello")
        assert await page.hear() is None
        assert not count
        await page.chunks(3)
        for _ in range(20):
            await page.send("hello")
            assert await page.hear() is None
        assert len(count) == 3
        await page.chunks(1)
        assert len(count) == 4

    run(play, made)


def test_more_credit_than_a_page_can_use_is_refused(still):
    made, voices = live()
    gate = threading.Event()
    generate = voices.next_chunk
    voices.next_chunk = lambda: (gate.wait(30), generate())[1]

    async def play(client):
        page = await Page.open(client)
        await page.send("credit", chunks=60)
        await page.send("credit", chunks=5)
        assert await page.hear() is None
        assert page.ignored == ["more than 64 chunks are asked for"]
        gate.set()
        for _ in range(60):
            assert len(await page.hear()) == HOP
        await page.chunks(64)

    run(play, made)


def test_the_server_answers_while_a_chunk_is_generated(still):
    made, voices = live()
    generate, has_begun, gate = voices.next_chunk, threading.Event(), threading.Event()

    def slow():
        has_begun.set()
        assert gate.wait(30)
        return generate()

    voices.next_chunk = slow

    async def play(client):
        page = await Page.open(client)
        await page.send("credit", chunks=1)
        while not has_begun.is_set():
            await asyncio.sleep(0.001)
        async with client.get("/") as answer:
            assert "page/main.js" in await answer.text()
        async with client.get("/page/ring.js") as answer:
            assert "registerProcessor" in await answer.text()
        gate.set()
        assert len(await page.hear()) == HOP

    run(play, made)


def test_the_oldest_note_gives_its_voice_to_a_new_one(still):
    made, _ = live(num_voices=2)

    async def play(client):
        page = await Page.open(client)
        for key in (60, 64, 67):
            await page.send("on", key=key, velocity=100)
            await page.chunks(2)
        assert page.keys == [64, 67]

    run(play, made)


def test_panic_is_silence_and_notes_play_again_after_it(still):
    made, _ = live()

    async def play(client):
        page = await Page.open(client)
        await page.send("pedal", down=True)
        await page.send("on", key=60, velocity=127)
        assert np.abs(await page.chunks(2)).max() > 0.01
        await page.send("panic")
        heard = await page.chunks(3)
        assert not heard[1:].any()
        assert page.keys == []
        await page.send("on", key=62, velocity=127)
        await page.send("off", key=62)
        await page.chunks(1)
        assert not page.state["voices"][0]["has_key"]  # the pedal is up

    run(play, made)


def test_bad_messages_are_named_and_the_music_goes_on(still):
    made, _ = live()

    async def play(client):
        page = await Page.open(client)
        await page.send("on", key=60, velocity=100)
        await page.socket.send_str('{"type": "on", "key": 500, "velocity": 1}')
        await page.socket.send_bytes(b"\0\1")
        assert [await page.hear(), await page.hear()] == [None, None]
        assert page.ignored == [
            "on has key=500, which must be a whole number from 0 to 127",
            "bytes are not understood",
        ]
        assert (await page.chunks(2)).any()
        assert page.keys == [60]

    run(play, made)


def test_events_without_end_are_not_kept(still, monkeypatch):
    monkeypatch.setattr(session, "MOST_WAITING", 3)
    made, _ = live()

    async def play(client):
        page = await Page.open(client)
        for _ in range(4):
            await page.send("on", key=60, velocity=100)
        assert await page.hear() is None
        assert "3 events wait already" in page.ignored[0]

    run(play, made)


def test_what_lets_go_is_never_dropped(still, monkeypatch):
    """A note whose end is dropped would sound until another one takes its voice."""
    monkeypatch.setattr(session, "MOST_WAITING", 2)
    made, voices = live()
    sent, send = [], voices.send
    voices.send = lambda event: (sent.append(event), send(event))

    async def play(client):
        page = await Page.open(client)
        await page.send("on", key=1, velocity=100)
        await page.send("pedal", down=True)
        for _ in range(3):
            await page.send("off", key=1)
            await page.send("off", key=0)
            await page.send("pedal", down=False)
        await page.send("pedal", down=True)
        for _ in range(2):
            await page.send("allOff")
            await page.send("panic")
        assert await page.hear() is None
        await page.chunks(1)
        assert len(page.ignored) == 1
        expected = [NoteOn(1, 100), Pedal(True), NoteOff(1), NoteOff(0), Pedal(False)]
        expected += [ReleaseAll(), Panic()]
        # With types, since tuples of different ones may be equal.
        assert [(type(event), event) for event in sent] == [(type(e), e) for e in expected]

    run(play, made)


def test_of_the_pads_places_the_last_one_waits(still, monkeypatch):
    monkeypatch.setattr(session, "MOST_WAITING", 2)
    made, voices = live()
    sent, send = [], voices.send
    voices.send = lambda event: (sent.append(event), send(event))

    async def play(client):
        page = await Page.open(client)
        for x in (0.25, 0.5, 0.75):
            await page.send("move", x=x, y=0)
        await page.send("on", key=60, velocity=100)
        await page.send("off", key=60)
        await page.send("move", x=1, y=0)
        await page.chunks(2)
        assert page.ignored == []
        assert sent == [Pad((0, 1)), NoteOn(60, 100), NoteOff(60)]

    run(play, made)


def test_notes_keep_their_distance_within_a_chunk(still):
    made, voices = live()
    sent, send = [], voices.send
    voices.send = lambda event: (sent.append(event), send(event))

    async def play(client):
        page = await Page.open(client)
        await page.chunks(1)
        for after_s, key in ((0.0011, 60), (0.0041, 64), (9, 67)):
            still.now = 100 + after_s
            await page.send("on", key=key, velocity=100)
            await page.send("hello")  # the answer shows that the note has come
            assert await page.hear() is None
        await page.chunks(1)
        assert sent == [NoteOn(60, 100, 17), NoteOn(64, 100, 65), NoteOn(67, 100, HOP - 1)]

    run(play, made)


def test_a_second_page_takes_over(still):
    made, _ = live()

    async def play(client):
        first = await Page.open(client)
        await first.send("on", key=60, velocity=100)
        assert (await first.chunks(2)).any()
        farewell = asyncio.create_task(first.socket.receive())
        second = await Page.open(client)
        await farewell
        assert first.socket.close_code == TAKEN_OVER
        assert not (await second.chunks(2)).any()
        await second.send("on", key=60, velocity=100)
        assert (await second.chunks(2)).any()

    run(play, made)


def test_a_page_that_comes_back_finds_silence(still):
    made, voices = live()
    count = counted(voices)

    async def play(client):
        page = await Page.open(client)
        await page.send("pedal", down=True)
        await page.send("on", key=60, velocity=100)
        await page.send("credit", chunks=40)
        await page.hear()
        await page.socket.close()
        again = await Page.open(client)
        assert len(count) < 40
        assert not (await again.chunks(2)).any()

    run(play, made)


def test_many_gaps_are_reported_once(still):
    reported = []
    made, _ = live(on_underruns=reported.append)

    async def play(client):
        page = await Page.open(client)
        for count in range(1, 6):
            await page.send("underruns", count=count)
        await page.chunks(1)
        assert reported == [3]

    run(play, made)


def test_the_end_of_the_server_is_told(still):
    made, _ = live()
    codes = []

    async def play(client):
        page = await Page.open(client)
        await page.send("on", key=60, velocity=100)
        await page.chunks(1)
        closing = asyncio.create_task(client.server.close())
        await page.socket.receive()
        codes.append(page.socket.close_code)
        await closing

    run(play, made)
    assert codes == [1001]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example:8765"},
        {"Host": "127.0.0.1.attacker.example"},
        {"Origin": "http://attacker.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
    ],
)
def test_other_sites_are_refused(still, headers):
    made, _ = live()

    async def play(client):
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/live", headers=headers)
        assert refused.value.status == 403
        async with client.get("/", headers=headers) as answer:
            assert answer.status == 403

    run(play, made)


@pytest.mark.parametrize("name", ["localhost:8765", "127.0.0.1:9000", "[::1]:80", "LOCALHOST"])
def test_this_machine_may_have_several_names(still, name):
    made, _ = live()

    async def play(client):
        page = await Page.open(client, Host=name, Origin=f"http://{name}")
        await page.chunks(1)

    run(play, made)
