"""What the page does with MIDI messages and inputs."""

import pytest
from instrument_page import down, has_voices, place, until


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
