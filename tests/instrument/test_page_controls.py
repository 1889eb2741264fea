"""What the page does with a mouse, fingers and keys, and where it lies."""

import entry_points
import pytest
from instrument_page import down, has_voices, place, until, watch
from instruments import write_instrument

from wavenet_ae.instrument import page

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


def test_computer_keys_play_after_something_was_chosen(tab):
    """A select that has the focus would go to the patches that begin with the letters."""
    tab.focus("#patches")
    tab.keyboard.press("ArrowDown")
    chosen = tab.input_value("#patches")
    assert chosen == "factory:Middle"
    for code in ("KeyS", "KeyS", "KeyD"):  # Slow strings, Swell, Deep; one of them repeats
        tab.keyboard.down(code)
    assert down(tab) == [62, 64]
    tab.keyboard.press("KeyX")
    assert tab.inner_text("#octave") == "+1"
    assert tab.input_value("#patches") == chosen
    tab.keyboard.up("KeyS")
    tab.keyboard.up("KeyD")
    tab.uncheck("#typing")
    tab.focus("#patches")
    tab.keyboard.press("KeyS")
    assert down(tab) == []
    assert tab.input_value("#patches") == "factory:Slow strings"


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
    box = tab.locator("[data-key='67']").bounding_box()
    tab.mouse.move(box["x"] + 8, box["y"] + box["height"] - 8)
    tab.mouse.down()
    has_voices(tab, 2)
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


def test_a_short_note_whose_sound_is_not_loaded_is_heard_when_it_is(tab):
    played = tab.evaluate(
        """async () => {
          const { Instrument } = await import("page/instrument.js");
          const { Player } = await import("page/player.js");
          const { Sounds, reader } = await import("page/sounds.js");
          const { FACTORY, stateOf } = await import("page/patches.js");
          const described = JSON.parse(document.getElementById("instrument").textContent);
          const instrument = new Instrument(described);
          const read = reader(document, described.embedded);
          const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
          const played = [];
          for (const [delay, end] of [[200, "off"], [900, "off"], [200, "panic"]]) {
            const slow = async (file) => (await wait(delay), read(file));
            const sounds = new Sounds(instrument, slow);
            const player = new Player(instrument, sounds, stateOf(instrument, FACTORY[0]));
            player.play({ type: "set", settings: { release: 0.01 } });
            player.unlock();
            while (!player.isRunning) await wait(10);
            player.play({ type: "on", key: 60, velocity: 127 });
            await wait(100);
            player.play({ type: end, key: 60 });
            let [heard, first, last] = [0, 0, 0];
            for (const start = performance.now(); performance.now() < start + 1500; ) {
              await wait(5);
              const voices = player.synth.voices.filter((voice) => voice.layers.size);
              heard = Math.max(heard, window.heard());
              for (const { started, released } of voices) [first, last] = [started, released];
            }
            played.push([heard, last - first, player.count()]);
            await player.context.close();
          }
          return played;
        }"""
    )
    # As long as its key was down; not where that is too late, and not after all was silenced.
    assert [heard > 0.01 for heard, _, _ in played] == [True, False, False]
    assert played[0][1] == pytest.approx(0.1, abs=0.08)
    assert [count for *_, count in played] == [0, 0, 0]


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


def test_a_click_without_a_pointer_plays_a_short_note(tab):
    """As screen readers do it."""
    key = tab.locator("[data-key='64']")
    key.evaluate("key => key.click()")
    assert down(tab) == [64]
    until(tab, "() => document.querySelectorAll('.key.down').length === 0")
    assert key.get_attribute("aria-roledescription") == "piano key"


def test_a_press_is_one_note(tab):
    """Whose click plays no second one."""
    tab.evaluate(
        """() => {
          window.pressed = [];
          new MutationObserver((changes) => {
            for (const { target } of changes) {
              if (target.matches(".key.down")) window.pressed.push(Number(target.dataset.key));
            }
          }).observe(document.getElementById("keyboard"), {
            subtree: true, attributeFilter: ["class"],
          });
        }"""
    )
    box = tab.locator("[data-key='64']").bounding_box()
    tab.mouse.click(box["x"] + 8, box["y"] + box["height"] - 8)
    tab.touchscreen.tap(box["x"] + 8, box["y"] + box["height"] - 8)
    for code in ("Space", "Enter"):
        tab.locator(".key[tabindex='0']").press(code)
    tab.wait_for_timeout(300)
    assert tab.evaluate("() => window.pressed") == [64, 64, 60, 60]


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
