// The page: what is played, what is shown, and what connects them.

import { Corners } from "page/corners.js";
import { Instrument } from "page/instrument.js";
import { ScreenKeyboard, TypingKeyboard } from "page/keyboard.js";
import { LivePanel } from "page/live_panel.js";
import { LivePlayer } from "page/live_player.js";
import { connect } from "page/midi.js";
import { Pad } from "page/pad.js";
import { PatchPanel } from "page/patch_panel.js";
import { FACTORY, stateOf } from "page/patches.js";
import { Player } from "page/player.js";
import { RecordPanel } from "page/record_panel.js";
import { SettingsPanel } from "page/settings_panel.js";
import { Sounds, reader } from "page/sounds.js";

const SHOW_EVERY_MS = 150;
const MIDDLE_KEY = 64; // near which sounds are loaded first

const element = (id) => document.getElementById(id);
const say = (text) => {
  element("announcement").textContent = text;
};

function start() {
  const described = JSON.parse(element("instrument").textContent);
  const instrument = new Instrument(described);
  const { live } = described;
  const sounds = live ? null : new Sounds(instrument, reader(document, described.embedded));
  const state = stateOf(instrument, FACTORY[0]);
  const player = live
    ? new LivePlayer(instrument, state, live)
    : new Player(instrument, sounds, state);
  const play = (event) => player.play(event);

  const patches = new PatchPanel(instrument, patchElements(), {
    getState: () => player.state,
    apply: (state) => apply(player, state),
    say,
  });
  const onBegin = () => patches.remember();
  const settings = new SettingsPanel(settingElements(), {
    onSet: (changed) => play({ type: "set", settings: changed }),
    onBegin,
  });
  showWhatIsPlayed(player, sounds, { ...places(instrument, play, onBegin), settings });
  connectKeys(play, settings);
  connectMidi(player, play);
  unlockByGesture(player);
  const recordElements = { record: "record", saveWav: "save-wav", saveMidi: "save-midi" };
  const recording = new RecordPanel(
    player,
    elements({ ...recordElements, recorded: "recorded" }),
    say,
  );
  showNumbers(player, recording, live ? `of ${live.voices}` : "");
  if (live) new LivePanel(player, liveElements());
  else showLoading(sounds);
  patches.readAddress();
}

/** The pad and its corners. */
function places(instrument, play, onBegin) {
  const pad = new Pad(
    instrument,
    elements({ pad: "pad", field: "field", cursor: "cursor", mix: "mix" }),
    { onMove: (x, y) => play({ type: "move", x, y }), onBegin },
  );
  const cornerElements = { squares: "squares", top: "corners-top", bottom: "corners-bottom" };
  const corners = new Corners(instrument, elements(cornerElements), (index) => {
    onBegin();
    play({ type: "square", index });
    say(`Between ${instrument.cornerNames(index).join(", ")}`);
  });
  return { pad, corners };
}

function showWhatIsPlayed(player, sounds, { pad, corners, settings }) {
  const keyboard = new ScreenKeyboard(element("keyboard"), (event) => player.play(event));
  const show = (event) => {
    const { state } = player;
    pad.show(state);
    corners.show(state.square);
    settings.show(state.settings);
    keyboard.showOctave(state.settings.octave);
    if (event) keyboard.show(event);
    if (!event || event.type === "move" || event.type === "square") {
      sounds?.wantAround(state, MIDDLE_KEY + 12 * state.settings.octave);
    }
  };
  player.addEventListener("event", ({ detail }) => show(detail));
  player.addEventListener("failure", ({ detail }) => say(detail.message));
  show();
}

/** Goes to another state by events, so that a recording has them. */
function apply(player, { square, x, y, settings }) {
  if (square !== player.state.square) player.play({ type: "square", index: square });
  player.play({ type: "set", settings });
  player.play({ type: "move", x, y });
}

function connectKeys(play, settings) {
  new TypingKeyboard(
    play,
    (by) => settings.shiftOctave(by),
    () => element("typing").checked,
  );
  element("panic").addEventListener("click", () => play({ type: "panic" }));
}

function connectMidi(player, play) {
  element("midi").addEventListener("click", async () => {
    const onEvent = (event) => {
      play(event);
      if (!player.isRunning) say("Click on the page to switch the sound on.");
    };
    const onChange = (names) => {
      element("midi-inputs").textContent = names.length
        ? `MIDI: ${names.join(", ")}`
        : "MIDI: no input is connected; plug one in.";
    };
    try {
      await connect(onEvent, onChange);
      element("midi").disabled = true;
    } catch (error) {
      const reason = error.name === "Error" ? error.message : "the browser does not allow it.";
      element("midi-inputs").textContent = `MIDI is not available: ${reason}`;
    }
  });
}

function unlockByGesture(player) {
  for (const type of ["pointerdown", "pointerup", "keydown"]) {
    window.addEventListener(type, () => player.unlock(), { capture: true });
  }
  player.addEventListener("state", () => {
    if (player.isRunning) say("");
  });
}

function showNumbers(player, recording, most) {
  setInterval(() => {
    element("voices").textContent = `${player.count()} ${most}`.trim();
    const latency = player.latency();
    element("latency").textContent = latency === null ? "–" : `${Math.round(1000 * latency)} ms`;
    recording.tick();
  }, SHOW_EVERY_MS);
}

function showLoading(sounds) {
  const total = sounds.instrument.notes.length;
  setInterval(() => {
    element("loaded").textContent = `${sounds.loaded.size} of ${total}`;
    element("loaded").classList.toggle("busy", sounds.working);
    if (sounds.failure) {
      say(sounds.failure.message);
      sounds.failure = null;
    }
  }, SHOW_EVERY_MS);
}

function patchElements() {
  return elements({
    patches: "patches",
    name: "patch-name",
    form: "save-form",
    remove: "delete",
    random: "random",
    undo: "undo",
    share: "share",
    toFile: "to-file",
    fromFile: "from-file",
  });
}

function liveElements() {
  return elements({ realTime: "real-time", underruns: "underruns", notice: "notice" });
}

function settingElements() {
  return elements({
    sliders: "sliders",
    loop: "loop",
    octave: "octave",
    octaveDown: "octave-down",
    octaveUp: "octave-up",
    mostVoices: "most-voices",
  });
}

function elements(ids) {
  return Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, element(id)]));
}

start();
