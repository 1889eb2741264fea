"""The page of a small instrument in a browser, for the tests of what it does and how it sounds."""

import base64

import numpy as np
import pytest

RATE_HZ = 48_000
START = {
    "attack": 0,
    "decay": 0.5,
    "sustain": 1,
    "release": 0.5,
    "start": 0,
    "glide": 0,
    "volume": 1,
    "loop": True,
    "octave": 0,
    "voices": 16,
}

_RENDER = """
async ({ state, events, seconds }) => {
  const { Instrument } = await import("page/instrument.js");
  const { Sounds, reader } = await import("page/sounds.js");
  const { render } = await import("page/recording.js");
  const described = JSON.parse(document.getElementById("instrument").textContent);
  const instrument = new Instrument(described);
  window.testSounds ??= new Sounds(instrument, reader(document, described.embedded));
  const samples = await render(instrument, window.testSounds, { state, events, seconds });
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}
"""

# What the live context plays, and MIDI inputs that the test speaks for.
STUBS = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (this.context instanceof AudioContext && target === this.context.destination) {
    window.meter = new AnalyserNode(this.context, { fftSize: 8192 });
    connect.call(this, window.meter);
  }
  return connect.call(this, target, ...rest);
};
window.heard = () => {
  if (!window.meter) return 0;
  const samples = new Float32Array(8192);
  window.meter.getFloatTimeDomainData(samples);
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
};
window.midi = { inputs: new Map([["1", { name: "Keys", state: "connected" }]]) };
navigator.requestMIDIAccess = async () => window.midi;
window.send = (...data) => {
  window.midi.inputs.get("1").onmidimessage({ data: Uint8Array.from(data) });
};
"""


def watch(page):
    """Returns the list into which a page's errors come."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    return errors


def render(page, events, seconds, *, x=0.0, y=0.0, square=0, **settings):
    """Plays events, `(time, type, fields)`, in an OfflineAudioContext; all keys are up at the end.

    Returns:
        float32 [samples] at 48 kHz, with the release.
    """
    state = {"square": square, "x": x, "y": y, "settings": START | settings}
    listed = [{"time": time, "type": kind, **fields} for time, kind, fields in events]
    listed.append({"time": seconds, "type": "allOff"})
    text = page.evaluate(_RENDER, {"state": state, "events": listed, "seconds": seconds})
    return np.frombuffer(base64.b64decode(text), np.float32)


def on(time, key, velocity=127):
    """A key is pressed."""
    return time, "on", {"key": key, "velocity": velocity}


def off(time, key):
    """A key is lifted."""
    return time, "off", {"key": key}


def move(time, x, y):
    """The pad goes to a place."""
    return time, "move", {"x": x, "y": y}


def part(samples, start_s, end_s):
    """Returns the samples between two times."""
    return samples[int(start_s * RATE_HZ) : int(end_s * RATE_HZ)]


def frequency(samples):
    """Returns the strongest frequency in Hz, to a hundredth of a semitone or better."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window, 8 * len(samples)))
    peak = int(np.argmax(spectrum))
    a, b, c = np.log(spectrum[peak - 1 : peak + 2])
    return (peak + (a - c) / (2 * (a - 2 * b + c))) * RATE_HZ / (8 * len(samples))


def amplitude(samples, hz):
    """Returns the amplitude of a sine of this frequency."""
    window = np.hanning(len(samples))
    turned = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE_HZ)
    return 2 * abs(np.sum(samples * window * turned)) / window.sum()


def rms(samples):
    """Returns the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def until(tab, expression, argument=None):
    """Waits until an expression of JavaScript is true."""
    tab.wait_for_function(expression, arg=argument, timeout=10_000)


def has_voices(tab, count):
    until(tab, "count => document.getElementById('voices').textContent === String(count)", count)


def down(tab):
    """Returns the keys that are shown as pressed."""
    return tab.eval_on_selector_all(".key.down", "keys => keys.map((key) => +key.dataset.key)")


def place(tab):
    """Returns the cursor's place on the pad, to compare with."""
    style = "cursor => [cursor.style.left, cursor.style.top].map((text) => parseFloat(text) / 100)"
    return pytest.approx(tab.eval_on_selector("#cursor", style), abs=2e-3)


def value(tab, setting):
    return tab.locator(f"label:has(#{setting}) output").inner_text()
