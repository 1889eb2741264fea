"""The pretrained model played live, from the command to the browser's ring."""

import re
import signal
import statistics

import entry_points
import numpy as np
import pytest
import soundfile
from instrument_page import RATE_HZ, frequency, watch

from wavenet_ae.pretrained import NOTES

# A slow or a busy machine has gaps in what it plays.
pytestmark = pytest.mark.slow

KEY = 67
FAST_ENOUGH = 1.5  # times real time; the test's browser takes its share of the machine

# When each key's message is sent, and its first sample posted to the ring.
_STUBS = """
window.probe = { sent: 0, played: 0, waiting: [], latencies: [], chunks: 0 };
const Native = WebSocket;
window.WebSocket = class extends Native {
  constructor(address) {
    super(address);
    this.addEventListener("message", ({ data }) => {
      const said = typeof data === "string" ? JSON.parse(data) : {};
      if (said.type === "state") window.probe.played = said.played;
    });
  }
  send(text) {
    window.probe.sent += 1;
    const { waiting, sent } = window.probe;
    if (JSON.parse(text).type === "on") waiting.push([sent, performance.now()]);
    super.send(text);
  }
};
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (data, ...rest) {
  if (data?.samples) {
    const { waiting, played, latencies } = window.probe;
    window.probe.chunks += 1;
    while (waiting.length && waiting[0][0] <= played) {
      latencies.push(performance.now() - waiting.shift()[1]);
    }
  }
  return post.call(this, data, ...rest);
};
"""


@pytest.fixture(scope="module")
def address():
    """Of a server with one voice, as a user starts it: the tests' programs are slower."""
    (flute,) = NOTES.glob("flute*.flac")
    (bass,) = NOTES.glob("bass*.flac")
    settings = ("--live", flute, bass, "--voices=1", "--port=0")
    running = entry_points.start_anew("play", *settings, XLA_FLAGS="")
    try:
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", running.stdout.readline())
        yield url
        running.send_signal(signal.SIGINT)
    finally:
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 0
    assert re.search(r"one voice takes \d+\.\d\d s for a second of sound\n", errors)
    assert "Traceback" not in errors


@pytest.fixture
def tab(browser, address):
    context = browser.new_context(accept_downloads=True)
    context.add_init_script(_STUBS)
    tab = context.new_page()
    errors = watch(tab)
    tab.goto(address)
    tab.wait_for_function("() => document.getElementById('voices').textContent === '0 of 1'")
    tab.focus("#pad")
    tab.keyboard.press("Home")  # the flute alone
    yield tab
    assert errors == []
    context.close()


def more_chunks(tab, count):
    before = tab.evaluate("() => window.probe.chunks")
    enough = "wanted => window.probe.chunks >= wanted"
    tab.wait_for_function(enough, arg=before + count, timeout=60_000)


def gaps(tab):
    return int(tab.inner_text("#underruns"))


def test_a_key_sounds_at_its_pitch(tab, tmp_path):
    tab.click("#record")
    tab.keyboard.down("KeyG")
    more_chunks(tab, 60)  # two seconds
    tab.keyboard.up("KeyG")
    tab.click("#record")
    with tab.expect_download() as download:
        tab.click("#save-wav")
    download.value.save_as(tmp_path / "a.wav")
    samples, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="float32")
    held = samples[rate_hz // 4 : rate_hz * 7 // 4]
    strongest = frequency(held - held.mean()) * rate_hz / RATE_HZ
    harmonic = strongest / (440 * 2 ** ((KEY - 69) / 12))
    assert 1 <= round(harmonic) <= 4
    assert abs(1200 * np.log2(harmonic / round(harmonic))) < 50


def test_latency_is_shown(tab):
    for _ in range(10):
        tab.keyboard.press("KeyG", delay=100)
        more_chunks(tab, 3)
    latencies = tab.evaluate("() => window.probe.latencies")
    assert len(latencies) == 10
    assert re.fullmatch(r"\d+ ms", tab.inner_text("#latency"))
    print(
        f"from key to ring: median {statistics.median(latencies):.0f} ms, worst "
        f"{max(latencies):.0f} ms of {len(latencies)}; page {tab.inner_text('#latency')}, speed "
        f"{tab.inner_text('#real-time')}, {gaps(tab)} gaps"
    )


def test_a_port_in_use_is_told_before_sounds_are_read(address):
    port = address.rstrip("/").rpartition(":")[2]
    refused = entry_points.run("play", "--live", "no_such.wav", f"--port={port}")
    entry_points.assert_refused(refused, f"port {port} is in use")


def test_a_stream_has_no_gap_in_twenty_seconds(tab):
    tab.keyboard.down("KeyG")
    more_chunks(tab, 60)
    speed = float(tab.inner_text("#real-time").rstrip("×"))  # noqa: RUF001
    if speed < FAST_ENOUGH:
        pytest.skip(f"this machine generates {speed:.1f} s of sound in a second now")
    before = gaps(tab)
    more_chunks(tab, 20 * 16_000 // 512)
    assert gaps(tab) == before
