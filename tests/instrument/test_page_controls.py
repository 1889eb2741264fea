"""What the page does with a mouse, fingers, keys, MIDI, patches and recordings."""

import dataclasses
import io
import json
import struct

import entry_points
import numpy as np
import pytest
import soundfile
from instrument_page import frequency, watch
from instruments import write_instrument

from wavenet_ae.instrument import page, rendered
from wavenet_ae.instrument.rendered import Square

# What the live context plays, and MIDI inputs that the test speaks for.
_STUBS = """
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


@pytest.fixture(scope="module")
def instrument(tmp_path_factory):
    """Tones with two squares and a line."""
    folder = tmp_path_factory.mktemp("tones")
    written = write_instrument(folder, pitches=(60,), resolution=2)
    (square,) = written.squares
    mirrored = Square((1, 0, 3, 2), tuple(row[::-1] for row in square.cells))
    line = Square((0, 1), square.cells[:1])
    more = dataclasses.replace(written, squares=(square, mirrored, line))
    rendered.write(more, folder)
    return page.write_page(folder).path


@pytest.fixture(scope="module")
def context(browser):
    size = {"width": 1280, "height": 800}
    context = browser.new_context(has_touch=True, accept_downloads=True, viewport=size)
    context.add_init_script(_STUBS)
    yield context
    context.close()


@pytest.fixture
def tab(context, instrument):
    """A page that keeps nothing of earlier ones; afterwards nothing may have failed in it."""
    tab = context.new_page()
    errors = watch(tab)
    tab.goto(instrument.as_uri())
    yield tab
    assert errors == []
    tab.evaluate("() => localStorage.clear()")
    tab.close()


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


# -- Notes


def test_computer_keys_play_notes(tab):
    tab.keyboard.down("KeyA")
    tab.keyboard.down("KeyA")  # repeats
    tab.keyboard.down("KeyE")
    has_voices(tab, 2)
    assert down(tab) == [60, 63]
    until(tab, "() => window.heard() > 0.01")
    tab.keyboard.up("KeyA")
    tab.keyboard.up("KeyE")
    has_voices(tab, 0)
    until(tab, "() => window.heard() < 1e-4")
    assert "ms" in tab.inner_text("#latency")


def test_letters_play_nothing_while_a_name_is_typed_or_they_are_switched_off(tab):
    tab.click("#patch-name")
    tab.keyboard.type("asdf")
    assert tab.input_value("#patch-name") == "asdf"
    assert down(tab) == []
    tab.click("#octave-up")
    tab.uncheck("#typing")
    tab.keyboard.down("KeyA")
    assert down(tab) == []
    tab.check("#typing")
    tab.keyboard.down("Control")
    tab.keyboard.down("KeyD")
    assert down(tab) == []


def test_z_and_x_shift_octaves(tab):
    assert tab.locator("[data-key='60']").get_attribute("aria-label") == "C4"
    tab.keyboard.press("KeyX")
    assert tab.inner_text("#octave") == "+1"
    assert tab.locator("[data-key='61']").get_attribute("aria-label") == "C sharp 5"
    for _ in range(6):
        tab.keyboard.press("KeyZ")
    assert tab.inner_text("#octave") == "-3"


def test_a_note_ends_although_the_octave_has_changed(tab):
    tab.keyboard.down("KeyA")
    tab.keyboard.press("KeyX")
    tab.keyboard.up("KeyA")
    has_voices(tab, 0)


def test_nothing_hangs_when_another_window_has_the_keyboard(tab):
    tab.keyboard.down("KeyA")
    has_voices(tab, 1)
    tab.evaluate("() => window.dispatchEvent(new Event('blur'))")
    has_voices(tab, 0)
    assert down(tab) == []


def test_the_mouse_slides_over_the_keys(tab):
    first, second = (tab.locator(f"[data-key='{key}']").bounding_box() for key in (60, 64))
    tab.mouse.move(first["x"] + 8, first["y"] + first["height"] - 8)
    tab.mouse.down()
    assert down(tab) == [60]
    tab.mouse.move(second["x"] + 8, second["y"] + second["height"] - 8)
    assert down(tab) == [64]
    tab.mouse.up()
    assert down(tab) == []
    has_voices(tab, 0)


def test_two_fingers_play_two_notes_and_a_third_moves_the_pad(tab):
    fingers = []
    for selector in ("[data-key='60']", "[data-key='67']", "#pad"):
        box = tab.locator(selector).bounding_box()
        fingers.append({"x": box["x"] + box["width"] / 2, "y": box["y"] + 0.95 * box["height"]})
    fingers = [{**finger, "id": index} for index, finger in enumerate(fingers)]
    protocol = tab.context.new_cdp_session(tab)
    touch = "Input.dispatchTouchEvent"
    for count in (1, 2, 3):
        protocol.send(touch, {"type": "touchStart", "touchPoints": fingers[:count]})
    has_voices(tab, 2)
    assert down(tab) == [60, 67]
    assert place(tab) == [0.5, 1]
    protocol.send(touch, {"type": "touchEnd", "touchPoints": []})
    has_voices(tab, 0)


# -- The pad


def test_the_pad_follows_the_mouse_and_stays_inside(tab):
    box = tab.locator("#field").bounding_box()
    tab.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    tab.mouse.down()
    assert place(tab) == [0.25, 0.5]
    assert tab.inner_text("#mix").replace("\xa0", " ") == (
        "flute 38 %, organ 38 %, bass 13 %, brass 13 %"
    )
    weights = tab.eval_on_selector_all(
        ".cell", "cells => cells.map((cell) => +cell.style.getPropertyValue('--weight'))"
    )
    assert weights == [0.375, 0.125, 0.375, 0.125]
    tab.mouse.move(box["x"] - 500, box["y"] + 0.5 * box["height"])
    tab.mouse.up()
    assert place(tab) == [0, 0.5]


def test_the_pad_follows_the_arrow_keys_and_says_where_it_is(tab):
    tab.focus("#pad")
    for key in ("End", "PageDown", "ArrowLeft", "Shift+ArrowUp"):
        tab.keyboard.press(key)
    assert place(tab) == [0.98, 0.9]
    spoken = tab.locator("#pad").get_attribute("aria-valuetext").replace("\xa0", " ")
    assert spoken.startswith("brass 88 %, bass 10 %")
    assert tab.locator("#pad").get_attribute("aria-valuenow") == "98"


def test_other_sounds_can_be_chosen_for_the_corners(tab):
    tab.select_option("[aria-label='Sound at the top left']", "bass")
    assert tab.input_value("#squares") == "1"
    names = tab.eval_on_selector_all(".corner select", "all => all.map((one) => one.value)")
    assert names == ["bass", "flute", "brass", "organ"]
    tab.select_option("#squares", "2")
    assert tab.locator(".cell").count() == 2
    assert tab.locator(".corner").all_inner_texts() == ["flute", "bass"]
    tab.keyboard.press("Tab")
    tab.focus("#pad")
    tab.keyboard.press("ArrowDown")
    assert place(tab) == [0.5, 0.5]


# -- MIDI


def test_midi_messages(tab):
    tab.click("#midi")
    until(tab, "() => document.getElementById('midi-inputs').textContent === 'MIDI: Keys'")

    def send(*message):
        tab.evaluate("message => window.send(...message)", list(message))

    send(0x90, 60, 100)
    send(0x99, 64, 1)  # another channel
    send(0xF8)  # the clock
    send(0xFE)
    assert down(tab) == [60, 64]
    has_voices(tab, 2)
    send(0x90, 60, 0)  # velocity 0
    send(0x83, 64, 64)
    assert down(tab) == []
    has_voices(tab, 0)
    send(0xB0, 1, 127)
    send(0xB5, 74, 127)
    assert place(tab) == [1, 0]
    send(0xB0, 74, 0)
    assert place(tab) == [1, 1]
    send(0xB0, 64, 127)
    send(0x90, 62, 80)
    send(0x80, 62, 0)
    has_voices(tab, 1)  # the pedal holds it
    send(0xB0, 64, 0)
    has_voices(tab, 0)
    send(0x90, 62, 80)
    send(0x90, 65, 80)
    send(0xB0, 123, 0)
    assert down(tab) == []
    has_voices(tab, 0)


def test_messages_of_midi_mean_what_the_specification_says(tab):
    meaning = tab.evaluate(
        """async (messages) => {
          const { eventsOf } = await import("page/midi.js");
          return messages.map((message) => eventsOf(Uint8Array.from(message)));
        }""",
        [
            *([0xE3, 0, 64], [0xE0, 127, 127], [0xE0, 0, 0]),
            *([0xC0, 5], [0xD0, 9], [0xF0, 1, 2, 0xF7], [], [0x90]),
            *([0xB0, 64, 63], [0xB0, 121, 0], [0xB0, 120, 0], [0xB0, 7, 90]),
        ],
    )
    bends = [event["cents"] for (event,) in meaning[:3]]
    assert bends == pytest.approx([0, 200, -200], abs=0.03)
    assert meaning[3:8] == [[]] * 5
    assert meaning[8] == [{"type": "pedal", "down": False}]
    assert [event["type"] for event in meaning[9]] == ["pedal", "bend"]
    assert meaning[10:] == [[{"type": "panic"}], []]


def test_without_midi_the_page_says_why(tab):
    tab.evaluate("() => { navigator.requestMIDIAccess = undefined; }")
    tab.click("#midi")
    until(tab, "() => document.getElementById('midi-inputs').textContent.includes('Web MIDI')")
    refusal = "() => Promise.reject(new DOMException('', 'NotAllowedError'))"
    tab.evaluate(f"() => {{ navigator.requestMIDIAccess = {refusal}; }}")
    tab.click("#midi")
    until(tab, "() => document.getElementById('midi-inputs').textContent.includes('allow')")


# -- Patches


def test_a_dozen_patches_come_with_it(tab):
    group = tab.locator("#patches optgroup")
    assert group.get_attribute("label") == "Come with it"
    assert group.locator("option").count() == 12
    tab.select_option("#patches", "factory:Pluck")
    assert (value(tab, "sustain"), value(tab, "decay")) == ("0 %", "450 ms")
    assert place(tab) == [0.75, 0.25]
    tab.click("#undo")
    assert (value(tab, "sustain"), value(tab, "decay")) == ("100 %", "500 ms")
    assert place(tab) == [0.5, 0.5]


def test_own_patches_are_kept_until_they_are_deleted(tab):
    tab.select_option("#patches", "factory:Slow strings")
    tab.fill("#patch-name", "Mine")
    tab.keyboard.press("Enter")
    tab.reload()
    assert value(tab, "attack") == "0 ms"
    tab.select_option("#patches", "own:Mine")
    assert value(tab, "attack") == "900 ms"
    tab.click("#delete")
    assert tab.locator("option[value='own:Mine']").count() == 0
    tab.reload()
    assert tab.locator("option[value='own:Mine']").count() == 0


def test_an_address_holds_a_patch(tab):
    tab.select_option("#squares", "1")
    tab.select_option("#patches", "factory:Lead")
    tab.fill("#patch-name", "R&B = é")
    tab.click("#share")
    until(tab, "() => location.hash.length > 10")
    shown = tab.inner_text("#sliders"), tab.input_value("#squares")
    other = tab.context.new_page()
    other.goto(tab.url)
    assert (other.inner_text("#sliders"), other.input_value("#squares")) == shown
    assert place(other) == [0.8, 0.6]
    assert other.input_value("#patch-name") == "R&B = é"
    assert other.input_value("#most-voices") == "1"
    other.evaluate("() => { location.hash = 'x=0.1&y=7&attack=nonsense&release=-1&octave=99'; }")
    until(other, "() => document.getElementById('octave').textContent === '+3'")
    assert place(other) == [0.1, 1]
    assert (value(other, "attack"), value(other, "release")) == ("0 ms", "0 ms")
    other.close()


def test_patches_go_into_a_file_and_come_from_one(tab, tmp_path):
    tab.select_option("#patches", "factory:Swell")
    with tab.expect_download() as download:
        tab.click("#to-file")
    path = tmp_path / "patches.json"
    download.value.save_as(path)
    (patch,) = json.loads(path.read_text())["patches"]
    assert (patch["name"], patch["attack"], patch["corners"][0]) == ("Swell", 2.5, "flute")
    patch |= {"name": "Changed", "attack": 1.5}
    path.write_text(json.dumps({"format": "wavenet_ae patches", "patches": [patch]}))
    tab.set_input_files("#from-file", path)
    until(tab, "() => document.getElementById('patches').value === 'own:Changed'")
    assert value(tab, "attack") == "1.50 s"
    path.write_text('{"patches": 3}')
    tab.set_input_files("#from-file", path)
    until(tab, "() => document.getElementById('announcement').textContent.includes('no patches')")


def test_random_and_undo(tab):
    before = tab.inner_text("#sliders")
    tab.click("#random")
    after = tab.inner_text("#sliders")
    assert after != before
    tab.click("#random")
    tab.click("#undo")
    assert tab.inner_text("#sliders") == after
    tab.click("#undo")
    assert tab.inner_text("#sliders") == before
    assert tab.locator("#undo").is_disabled()


# -- Recording


def recorded(tab, button, tmp_path):
    with tab.expect_download() as download:
        tab.click(button)
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_recording_becomes_a_wav_file_and_a_midi_file(tab, tmp_path):
    tab.click("#record")
    until(tab, "() => parseFloat(document.getElementById('recorded').textContent) > 0")
    tab.keyboard.down("KeyD")
    tab.focus("#pad")
    tab.keyboard.press("End")
    until(tab, "() => parseFloat(document.getElementById('recorded').textContent) > 0.9")
    tab.keyboard.up("KeyD")
    tab.click("#record")
    seconds = float(tab.inner_text("#recorded").split()[0])
    wav = recorded(tab, "#save-wav", tmp_path)
    assert wav.name == "tones recording.wav"
    samples, rate_hz = soundfile.read(wav)
    assert rate_hz == 48_000
    assert seconds < len(samples) / rate_hz < seconds + 1.5  # with the release
    held = samples[np.abs(samples) > 0.01]
    assert len(held) > 0.3 * rate_hz
    middle = int(np.argmax(np.abs(samples) > 0.01)) + rate_hz // 5
    assert frequency(samples[middle : middle + rate_hz // 4]) == pytest.approx(329.63, rel=2e-3)
    again = recorded(tab, "#save-wav", tmp_path)
    assert np.array_equal(soundfile.read(again)[0], samples)
    messages = midi_messages(recorded(tab, "#save-midi", tmp_path).read_bytes())
    notes = [(m[0], m[1]) for _, m in messages if m[0] in (0x90, 0x80)]
    assert notes == [(0x90, 64), (0x80, 64)]
    assert [m for _, m in messages if m[0] == 0xB0] == [(0xB0, 1, 127), (0xB0, 74, 64)]
    assert messages[-1][0] <= seconds


def midi_messages(file):
    """Reads a MIDI file of one track: `(seconds, message)`."""
    kind, length, form, tracks, division = struct.unpack(">4sIHHH", file[:14])
    assert (kind, length, form, tracks) == (b"MThd", 6, 0, 1)
    kind, length = struct.unpack(">4sI", file[14:22])
    assert kind == b"MTrk"
    assert len(file) == 22 + length
    stream = io.BytesIO(file[22:])
    tick, quarter_s, found = 0, None, []
    while True:
        delta = 0
        while (byte := stream.read(1)[0]) & 128:
            delta = delta << 7 | byte & 127
        tick += delta << 7 | byte
        status = stream.read(1)[0]
        if status == 0xFF:
            meta, length = stream.read(2)
            data = stream.read(length)
            if meta == 0x2F:
                assert stream.read() == b""
                return found
            assert meta == 0x51
            quarter_s = int.from_bytes(data, "big") / 1e6
        else:
            found.append((tick / division * quarter_s, (status, *stream.read(2))))


def test_long_pauses_and_all_events_in_a_midi_file(tab):
    events = [
        {"time": 0, "type": "on", "key": 60, "velocity": 100},
        {"time": 0.5, "type": "bend", "cents": -200},
        {"time": 0.5, "type": "bend", "cents": 200},
        {"time": 1, "type": "set", "settings": {"octave": 1}},
        {"time": 400, "type": "pedal", "down": True},
        {"time": 400, "type": "on", "key": 60, "velocity": 5},
        {"time": 400.25, "type": "panic"},
    ]
    data = tab.evaluate(
        """async (events) => {
          const { midiFile } = await import("page/midi_file.js");
          return Array.from(midiFile(events, -1));
        }""",
        events,
    )
    assert midi_messages(bytes(data)) == [
        (0, (0x90, 48, 100)),
        (0.5, (0xE0, 0, 0)),
        (0.5, (0xE0, 127, 127)),
        (400, (0xB0, 64, 127)),
        (400, (0x80, 48, 64)),  # pressed again, it ends where it began
        (400, (0x90, 72, 5)),
        (400.25, (0x80, 72, 64)),
    ]


# -- For everyone


def test_every_control_has_a_name_and_the_keyboard_alone_is_enough(tab):
    unnamed = tab.evaluate(
        """() => [...document.querySelectorAll("button, input, select, [tabindex='0']")]
          .filter((control) => !control.ariaLabel && !control.textContent.trim()
            && ![...(control.labels ?? [])].some((label) => label.textContent.trim()))
          .map((control) => control.outerHTML)"""
    )
    assert unnamed == []
    reached = set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.add(
            tab.evaluate("() => document.activeElement.id || document.activeElement.className")
        )
    assert {"pad", "attack", "loop", "patches", "record", "midi", "typing", "from-file"} <= reached
    assert "key white" in reached
    tab.locator(".key[tabindex='0']").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.down("Space")
    assert down(tab) == [61]
    tab.keyboard.up("Space")
    assert down(tab) == []
    snapshot = tab.locator("body").aria_snapshot()
    assert 'slider "Place between the sounds"' in snapshot
    assert "- status" in snapshot


@pytest.mark.parametrize("width", [320, 400, 800])
def test_narrow_screens_show_all_in_their_width(tab, width):
    tab.set_viewport_size({"width": width, "height": 800})
    until(tab, "() => document.documentElement.scrollWidth <= innerWidth")
    box = tab.locator("#keyboard").bounding_box()
    assert width >= 800 or box["y"] + box["height"] <= 800
    assert tab.locator(".key.white").first.bounding_box()["width"] >= 30


# -- Where the page lies


def test_a_page_beside_its_sounds(context, tmp_path):
    """Which a server gives it, and a browser refuses to a page from a file."""
    write_instrument(tmp_path, pitches=(60,), resolution=2)
    path, holds_sounds = page.write_page(tmp_path, limit_bytes=0)
    assert not holds_sounds
    server = entry_points.start("play", tmp_path, "--port=0")
    try:
        url = server.stdout.readline().split()[1]
        tab = context.new_page()
        errors = watch(tab)
        tab.goto(url)
        tab.keyboard.down("KeyA")
        until(tab, "() => window.heard() > 0.01")
        until(tab, "() => document.getElementById('loaded').textContent === '4 of 4'")
        assert errors == []
        tab.goto(path.as_uri())
        until(tab, "() => document.getElementById('announcement').textContent.includes('play')")
        tab.close()
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert server.returncode == 0
