"""Patches on the page: chosen, kept, shared, undone."""

import json

from instrument_page import place, until, value


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


def save_as(tab, name):
    tab.fill("#patch-name", name)
    tab.keyboard.press("Enter")


def own(tab):
    """Returns the names of own patches, as they can be chosen."""
    return tab.eval_on_selector_all(
        "#patches option[value^='own:']", "options => options.map((option) => option.text)"
    )


def test_tabs_share_own_patches(tab, tones_page):
    other = tab.context.new_page()
    other.goto(tones_page.as_uri())
    shown = "count => document.querySelectorAll(`#patches [value^='own:']`).length === count"
    save_as(tab, "First")
    until(other, shown, 1)
    save_as(other, "Second")
    until(tab, shown, 2)
    assert own(tab) == own(other) == ["First", "Second"]
    assert tab.input_value("#patches") == "own:First"
    other.select_option("#patches", "own:First")
    other.click("#delete")
    until(tab, shown, 1)
    assert tab.input_value("#patches") == ""
    assert tab.locator("#delete").is_disabled()
    other.close()
    tab.reload()
    assert own(tab) == ["Second"]


def test_what_another_tab_has_just_saved_is_kept(tab):
    """Even before the browser has told of it."""
    kept = tab.evaluate(
        """async () => {
          const { OwnPatches } = await import("page/patches.js");
          const instrument = { name: "tones", sounds: ["flute", "bass"] };
          const [one, other] = [1, 2].map(() => new OwnPatches(instrument, localStorage));
          one.add({ name: "a" });
          other.add({ name: "b" });
          one.remove("a");
          other.add({ name: "c" });
          const again = new OwnPatches({ ...instrument, sounds: ["flute", "oboe"] }, localStorage);
          return [one, other, again].map((own) => {
            own.refresh();
            return own.patches.map(({ name }) => name);
          });
        }"""
    )
    # Other sounds in a folder of the same name are another instrument.
    assert kept == [["b", "c"], ["b", "c"], []]


def test_where_nothing_can_be_kept_patches_last_as_long_as_the_page(tab):
    names = tab.evaluate(
        """async () => {
          const { OwnPatches } = await import("page/patches.js");
          const setItem = () => { throw new Error("no"); };
          const storage = { getItem: () => null, setItem };
          const own = new OwnPatches({ name: "tones", sounds: [] }, storage);
          const kept = [own.add({ name: "a" }), own.add({ name: "b" })];
          own.refresh();
          return [...kept, ...own.patches.map(({ name }) => name)];
        }"""
    )
    assert names == [False, False, "a", "b"]


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


def test_going_back_to_a_copied_link_loads_its_patch(tab):
    tab.select_option("#patches", "factory:Lead")
    tab.click("#share")
    until(tab, "() => location.hash.length > 10")
    tab.click("#share")  # once more: no new place to go back to
    tab.fill("#attack", "1000")
    assert value(tab, "attack") == "4.00 s"  # copying has loaded nothing, and listens no more
    tab.evaluate("() => { location.hash = 'x=0.1&y=0.2&attack=1.5&name=Other'; }")
    until(tab, "() => document.getElementById('patch-name').value === 'Other'")
    assert value(tab, "attack") == "1.50 s"
    tab.go_back()
    until(tab, "() => document.getElementById('patch-name').value === 'Lead'")
    assert value(tab, "attack") == "0 ms"
    assert place(tab) == [0.8, 0.6]
    tab.go_back()  # before the first link
    assert tab.evaluate("() => location.hash") == ""


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
