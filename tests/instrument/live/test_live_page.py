"""The live page in a browser, with a tiny model."""

import contextlib
import socket
import threading

import numpy as np
import pytest
import soundfile
from instrument_page import watch
from live_server import live, serving

from wavenet_ae.instrument.voices import HEADROOM

# What comes into the ring, what the live context plays, connections, and a MIDI input.
_STUBS = """
window.ringed = [];
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (data, ...rest) {
  if (data?.samples) window.ringed.push(Math.max(...data.samples.map(Math.abs)));
  return post.call(this, data, ...rest);
};
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (this.context instanceof AudioContext && target === this.context.destination) {
    window.meter = new AnalyserNode(this.context, { fftSize: 2048 });
    connect.call(this, window.meter);
  }
  return connect.call(this, target, ...rest);
};
window.heard = () => {
  if (!window.meter) return 0;
  const samples = new Float32Array(2048);
  window.meter.getFloatTimeDomainData(samples);
  return Math.max(...samples.map(Math.abs));
};
window.sockets = 0;
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    window.sockets += 1;
  }
};
window.midi = { inputs: new Map([["1", { name: "Keys", state: "connected" }]]) };
navigator.requestMIDIAccess = async () => window.midi;
"""


@contextlib.contextmanager
def opened(browser, url):
    """A page in a context of its own, in which nothing may fail."""
    context = browser.new_context(accept_downloads=True)
    context.add_init_script(_STUBS)
    tab = context.new_page()
    errors = watch(tab)
    tab.goto(url)
    yield tab
    assert [error for error in errors if "WebSocket" not in error] == []
    context.close()


@pytest.fixture
def tab(browser):
    made, _ = live(hop_length=512, num_sounds=4)
    with serving(made) as url, opened(browser, url) as tab:
        yield tab


def until(tab, expression, argument=None):
    tab.wait_for_function(expression, arg=argument, timeout=20_000)


def shows(tab, name, text):
    wanted = "([name, text]) => document.getElementById(name).textContent.includes(text)"
    until(tab, wanted, [name, text])


def test_keys_sound_as_long_as_they_are_held(tab):
    assert tab.title() == "flute · bass · organ · brass"
    shows(tab, "voices", "0 of 2")
    tab.keyboard.down("KeyA")
    shows(tab, "voices", "1 of 2")
    until(tab, "() => window.heard() > 0.01")
    tab.keyboard.down("KeyE")
    shows(tab, "voices", "2 of 2")
    until(tab, "() => document.getElementById('latency').textContent.includes('ms')")
    until(tab, "() => document.getElementById('real-time').textContent.length > 1")
    tab.keyboard.up("KeyA")
    tab.keyboard.up("KeyE")
    shows(tab, "voices", "0 of 2")
    until(tab, "() => window.heard() < 1e-4")


def test_panic_and_octaves(tab):
    tab.keyboard.down("KeyA")
    tab.keyboard.press("KeyX")
    shows(tab, "voices", "1 of 2")
    tab.keyboard.up("KeyA")  # the key that sounds, not the one an octave higher
    shows(tab, "voices", "0 of 2")
    tab.keyboard.down("KeyD")
    shows(tab, "voices", "1 of 2")
    tab.keyboard.press("Escape")
    shows(tab, "voices", "0 of 2")


def test_only_what_the_decoder_follows_is_shown(tab):
    shown = [
        *(label.get_attribute("for") for label in tab.locator(".slider").all()),
        *(section.get_attribute("aria-labelledby") for section in tab.locator("section").all()),
    ]
    visible = [name for name in shown if tab.locator(f"#{name}").first.is_visible()]
    assert visible == ["volume", "place-title", "sound-title", "record-title"]
    assert not tab.locator("#loaded").is_visible()
    assert tab.locator("#underruns").is_visible()
    assert tab.locator(".cell").count() == 4


def test_the_volume_changes_what_is_heard(tab):
    tab.keyboard.down("KeyA")
    until(tab, "() => window.heard() > 0.01")
    tab.fill("#volume", "0")
    until(tab, "() => window.heard() < 1e-4")
    shows(tab, "voices", "1 of 2")


def recorded(tab, tmp_path, *, volume=None):
    """Records two keys, with another volume after 20 chunks.

    Returns:
        The peak of every chunk: as it was recorded, and as it came from the server.
    """
    tab.click("#record")
    for code in ("KeyA", "KeyE"):
        tab.keyboard.down(code)
    loud = "count => window.ringed.filter((peak) => peak > 0.01).length > count"
    until(tab, loud, 20)
    if volume is not None:
        tab.fill("#volume", str(volume))
        until(tab, loud, 60)
    for code in ("KeyA", "KeyE"):
        tab.keyboard.up(code)
    tab.click("#record")
    with tab.expect_download() as download:
        tab.click("#save-wav")
    download.value.save_as(tmp_path / "a.wav")
    samples, rate_hz = soundfile.read(tmp_path / "a.wav")
    assert rate_hz == 16_000
    peaks = np.abs(samples.reshape(-1, 512)).max(axis=1)
    return peaks, np.array(tab.evaluate("() => window.ringed")[: len(peaks)])


def heard(peaks, volume):
    """Returns the peaks of what comes out of the loudspeaker: volume, and limiter above 0.7."""
    loud = np.asarray(peaks) * volume**2 / HEADROOM
    return np.where(loud > 0.7, 0.7 + 0.3 * np.tanh((loud - 0.7) / 0.3), loud)


def test_a_recording_is_what_was_heard(tab, tmp_path):
    peaks, ringed = recorded(tab, tmp_path)
    np.testing.assert_allclose(peaks, heard(ringed, 0.7), atol=2e-4)
    assert sum(peaks > 0.01) >= 20


def test_a_recording_follows_the_volume(tab, tmp_path):
    tab.fill("#volume", "1000")  # of a slider of a thousand steps
    peaks, ringed = recorded(tab, tmp_path, volume=500)
    loud, soft = heard(ringed, 1), heard(ringed, 0.5)
    first = int(np.argmax(ringed > 0.01))
    np.testing.assert_allclose(peaks[first : first + 10], loud[first : first + 10], atol=2e-4)
    np.testing.assert_allclose(peaks[-10:], soft[-10:], atol=2e-4)
    assert peaks[first : first + 10].max() > 0.01


def test_the_last_tab_plays_and_the_other_can_take_it_back(browser):
    made, _ = live(hop_length=512, num_sounds=2)
    with serving(made) as url, opened(browser, url) as first:
        shows(first, "voices", "0 of 2")
        with opened(browser, url) as second:
            shows(first, "notice", "Another tab plays")
            second.keyboard.down("KeyA")
            until(second, "() => window.heard() > 0.01")
            first.keyboard.down("KeyA")
            shows(second, "notice", "Another tab plays")
            taken = "() => document.getElementById('notice').textContent.includes('Another tab')"
            until(first, f"() => !({taken})()")  # a slow machine has another notice then
            until(first, "() => window.heard() > 0.01")
            until(second, "() => window.heard() < 1e-4")


def test_a_chord_takes_the_sound_back_by_one_connection(browser):
    made, _ = live(hop_length=512, num_sounds=2)
    with serving(made) as url, opened(browser, url) as first:
        shows(first, "voices", "0 of 2")
        first.keyboard.press("KeyA")
        with opened(browser, url):
            shows(first, "notice", "Another tab plays")
            before = first.evaluate("() => window.sockets")
            first.evaluate(
                """() => {
                  for (const code of ["KeyA", "KeyD", "KeyG", "KeyK"]) {
                    window.dispatchEvent(new KeyboardEvent("keydown", { code }));
                  }
                }"""
            )
            shows(first, "voices", "2 of 2")
            until(first, "() => window.heard() > 0.01")
            assert "Another tab" not in first.locator("#notice").text_content()
            assert first.evaluate("() => window.sockets") == before + 1


def test_a_pedal_that_is_down_is_told_to_a_server_that_comes_back(browser):
    made, _ = live(hop_length=512, num_sounds=2)
    pedal = """down => window.midi.inputs.get("1")
      .onmidimessage({ data: [0xb0, 64, down ? 127 : 0] })"""
    with serving(made) as url, opened(browser, url) as first:
        first.evaluate("() => document.getElementById('midi').click()")  # without a gesture
        shows(first, "midi-inputs", "Keys")
        first.evaluate(pedal, True)
        first.keyboard.press("KeyA")
        shows(first, "voices", "1 of 2")
        first.wait_for_timeout(1500)  # longer than a release
        shows(first, "voices", "1 of 2")
        with opened(browser, url):
            shows(first, "notice", "Another tab plays")
        first.keyboard.down("KeyA")
        shows(first, "voices", "1 of 2")
        first.keyboard.up("KeyA")
        first.wait_for_timeout(1500)
        shows(first, "voices", "1 of 2")
        first.evaluate(pedal, False)
        shows(first, "voices", "0 of 2")


def test_a_page_finds_its_server_again(browser):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with contextlib.ExitStack() as stack:
        with serving(live(hop_length=512, num_sounds=2)[0], port) as url:
            tab = stack.enter_context(opened(browser, url))
            tab.keyboard.down("KeyA")
            until(tab, "() => window.heard() > 0.01")
        shows(tab, "notice", "The server cannot be reached")
        tab.keyboard.up("KeyA")
        with serving(live(hop_length=512, num_sounds=4)[0], port):  # with other sounds
            until(tab, "() => document.title === 'flute · bass · organ · brass'")
            shows(tab, "voices", "0 of 2")
            tab.keyboard.down("KeyA")
            until(tab, "() => window.heard() > 0.01")


_RING = """
async ({ given, start, ended }) => {
  const context = new OfflineAudioContext(1, 1024, 16000);
  await context.audioWorklet.addModule("page/ring.js");
  const node = new AudioWorkletNode(context, "ring", {
    numberOfInputs: 0, outputChannelCount: [1], processorOptions: { every: 256, start },
  });
  node.connect(context.destination);
  const said = [];
  node.port.onmessage = ({ data }) => said.push([data.consumed, data.underruns]);
  node.port.postMessage({ ended });
  for (const length of given) node.port.postMessage({ samples: new Float32Array(length).fill(1) });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const played = (await context.startRendering()).getChannelData(0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  return { played: Array.from(played), said };
}
"""


def test_the_ring_fades_what_begins_and_breaks_off(tab):
    result = tab.evaluate(_RING, {"given": [300, 200], "start": 500, "ended": False})
    fade = np.arange(64) / 64
    np.testing.assert_allclose(result["played"][:64], fade)
    np.testing.assert_allclose(result["played"][64:500], 1)
    np.testing.assert_allclose(result["played"][500:564], fade[::-1])
    assert not any(result["played"][564:])
    assert result["said"] == [[256, 0], [500, 1]]


@pytest.mark.parametrize("ended", [False, True])
def test_the_ring_fades_a_gap_between_two_blocks(tab, ended):
    """The server's chunks are whole blocks of the audio thread."""
    result = tab.evaluate(_RING, {"given": [512], "start": 512, "ended": ended})
    assert np.abs(np.diff([0, *result["played"]])).max() <= 1 / 64 + 1e-6
    np.testing.assert_allclose(result["played"][512:576], np.arange(63, -1, -1) / 64)
    assert not any(result["played"][576:])


def test_the_ring_waits_until_it_has_enough(tab):
    result = tab.evaluate(_RING, {"given": [300, 199], "start": 500, "ended": False})
    assert not any(result["played"])
    assert result["said"] == []


def test_the_end_of_a_stream_is_no_gap(tab):
    result = tab.evaluate(_RING, {"given": [512], "start": 500, "ended": True})
    assert result["said"] == [[256, 0], [512, 0], [512, 0]]
    assert result["played"][500] == pytest.approx(1)


def test_gaps_are_counted_and_answered(browser):
    reported = []
    made, voices = live(
        hop_length=512, num_sounds=2, offer="Render it.", on_underruns=reported.append
    )
    with serving(made) as url, opened(browser, url) as tab:
        tab.keyboard.down("KeyA")
        until(tab, "() => window.heard() > 0.01")
        generate, gate = voices.next_chunk, threading.Event()
        voices.next_chunk = lambda: (gate.wait(60), generate())[1]
        for count in (1, 2, 3):  # or more: the machine has other work
            until(tab, "count => document.getElementById('underruns').textContent >= count", count)
            before = tab.evaluate("() => window.ringed.length")
            gate.set()
            until(tab, "before => window.ringed.length > before + 20", before)
            gate.clear()
        gate.set()
        voices.next_chunk = generate
        shows(tab, "notice", "gaps: the machine was too slow. Render it.")
    assert reported == [3]


def test_a_slow_machine_is_told_at_once(browser):
    made, _ = live(hop_length=512, num_sounds=2, too_slow="Too slow: render it.")
    with serving(made) as url, opened(browser, url) as tab:
        shows(tab, "notice", "Too slow: render it.")
