"""What the page does with MIDI messages and inputs."""

import pytest
from instrument_page import down, has_voices, place, until


def listen(tab):
    tab.click("#midi")
    until(tab, "() => document.getElementById('midi-inputs').textContent === 'MIDI: Keys'")


def send(tab, *message):
    tab.evaluate("message => window.send(...message)", list(message))


def test_midi_messages(tab):
    listen(tab)
    send(tab, 0x90, 60, 100)
    send(tab, 0x99, 64, 1)  # another channel
    send(tab, 0xF8)  # the clock
    send(tab, 0xFE)
    assert down(tab) == [60, 64]
    has_voices(tab, 2)
    send(tab, 0x90, 60, 0)  # velocity 0
    send(tab, 0x83, 64, 64)
    assert down(tab) == []
    has_voices(tab, 0)
    send(tab, 0xB0, 1, 127)
    send(tab, 0xB5, 74, 127)
    assert place(tab) == [1, 0]
    send(tab, 0xB0, 74, 0)
    assert place(tab) == [1, 1]
    send(tab, 0xB0, 64, 127)
    send(tab, 0x90, 62, 80)
    send(tab, 0x80, 62, 0)
    has_voices(tab, 1)  # the pedal holds it
    send(tab, 0xB0, 64, 0)
    has_voices(tab, 0)
    send(tab, 0x90, 62, 80)
    send(tab, 0x90, 65, 80)
    send(tab, 0xB0, 123, 0)
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


def test_a_pedal_that_was_down_before_the_sound_began_holds_notes(tab):
    tab.evaluate("() => document.getElementById('midi').click()")  # without a gesture
    until(tab, "() => document.getElementById('midi-inputs').textContent === 'MIDI: Keys'")
    send(tab, 0xB0, 64, 127)
    tab.keyboard.press("KeyA")
    tab.keyboard.press("KeyD")
    has_voices(tab, 2)
    tab.wait_for_timeout(1200)  # longer than the release
    has_voices(tab, 2)
    send(tab, 0xB0, 64, 0)
    has_voices(tab, 0)


def test_midi_goes_on_while_another_window_has_the_keyboard(tab):
    listen(tab)
    send(tab, 0xB0, 64, 127)
    send(tab, 0x90, 62, 80)
    send(tab, 0x80, 62, 0)  # the pedal holds it
    send(tab, 0x90, 64, 80)
    tab.keyboard.down("KeyA")
    has_voices(tab, 3)
    tab.evaluate("() => window.dispatchEvent(new Event('blur'))")
    assert down(tab) == [64]
    has_voices(tab, 3)  # the pedal holds the computer's key, too
    send(tab, 0xB0, 64, 0)
    has_voices(tab, 1)


def test_an_input_that_is_unplugged_leaves_nothing_sounding(tab):
    listen(tab)
    tab.evaluate(
        """() => {
          window.midi.inputs.set("2", { name: "Pads", state: "connected" });
          window.midi.onstatechange();
        }"""
    )
    other = "message => window.midi.inputs.get('2').onmidimessage({ data: message })"
    send(tab, 0xE0, 127, 127)
    send(tab, 0xB0, 64, 127)
    for key in (60, 64):
        send(tab, 0x90, key, 80)
    send(tab, 0x80, 60, 0)
    for key in (64, 67):
        tab.evaluate(other, [0x90, key, 80])
    has_voices(tab, 3)  # 64 was struck again, and its first note has died away
    tab.evaluate(
        """() => {
          window.midi.inputs.get("1").state = "disconnected";
          window.midi.onstatechange();
        }"""
    )
    assert tab.inner_text("#midi-inputs") == "MIDI: Pads"
    has_voices(tab, 2)
    assert down(tab) == [64, 67]  # the other input's
    tab.evaluate(
        """() => {
          window.midi.inputs.set("1", { name: "Keys", state: "connected" });
          window.midi.onstatechange();
        }"""
    )
    send(tab, 0x90, 72, 80)  # plugged in again, it plays, and nothing is bent or held
    has_voices(tab, 3)
    send(tab, 0x80, 72, 0)
    has_voices(tab, 2)


def test_an_input_ends_with_it_what_only_it_holds(tab):
    ended = tab.evaluate(
        """async () => {
          const { connect } = await import("page/midi.js");
          const events = [];
          await connect((event) => events.push(event), () => {});
          const say = window.send;
          say(0x90, 60, 80), say(0x90, 62, 80), say(0x80, 62, 0);
          say(0xe0, 0, 0), say(0xb0, 64, 90);
          const count = events.length;
          window.midi.inputs.delete("1");
          window.midi.onstatechange();
          window.midi.onstatechange();
          return events.slice(count);
        }"""
    )
    assert ended == [
        {"type": "off", "key": 60},
        {"type": "pedal", "down": False},
        {"type": "bend", "cents": 0},
    ]
