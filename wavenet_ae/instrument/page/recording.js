// What was played, as a list of events; and the same played again into samples.

import { Synth } from "page/synth.js";

export const RATE = 48000;
const LONGEST_S = 900;
const MARGIN_S = 0.05;

/** Collects events from its start on. */
export class Recorder {
  /**
   * @param state of the synth at the start
   * @param held events that set what is held then: the pad, the pedal, the bend, keys
   * @param time of the start, on the clock of the events
   */
  constructor(state, held, time) {
    this.state = { ...state, settings: { ...state.settings } };
    this.begin = time;
    this.events = held.map((event) => ({ ...event, time: 0 }));
  }

  add(event, time) {
    this.events.push({ ...event, time: Math.max(0, time - this.begin) });
  }

  isFull(time) {
    return time - this.begin > LONGEST_S;
  }

  /** @returns `{state, events, seconds}`, in which all keys are up at the end */
  stop(time) {
    const seconds = Math.max(0, time - this.begin);
    const events = [...this.events, { type: "allOff", time: seconds }];
    return { state: this.state, events, seconds };
  }
}

/**
 * Plays a recording again, always to the same samples.
 *
 * @returns a promise of a Float32Array at `RATE`, with the last notes' release
 */
export async function render(instrument, sounds, recording) {
  const used = await loadUsed(instrument, sounds, recording);
  const settings = { ...recording.state.settings };
  for (const event of recording.events) Object.assign(settings, event.settings);
  const seconds = recording.seconds + settings.release + MARGIN_S;
  const context = new OfflineAudioContext(1, Math.ceil(seconds * RATE), RATE);
  const synth = new Synth(context, instrument, used, recording.state);
  synth.connect(context.destination);
  for (const event of recording.events) synth.handle(event, event.time);
  return (await context.startRendering()).getChannelData(0);
}

/** Loads what a recording needs: all cells that it comes by, at all pitches that it plays. */
async function loadUsed(instrument, sounds, { state, events }) {
  const cells = new Set();
  const pitches = new Set();
  let { square, x, y } = state;
  let { octave } = state.settings;
  const visit = () => {
    for (const cell of instrument.weightsAt(square, x, y).keys()) cells.add(cell);
  };
  visit();
  for (const event of events) {
    if (event.type === "move") ({ x, y } = event);
    if (event.type === "square") square = event.index;
    if (event.type === "set") octave = event.settings.octave ?? octave;
    if (event.type === "on") pitches.add(instrument.pitchFor(event.key + 12 * octave));
    visit();
  }
  const loaded = new Map();
  for (const cell of cells) {
    for (const pitch of pitches) {
      loaded.set(instrument.note(cell, pitch), await sounds.load(cell, pitch));
    }
  }
  return { get: (cell, pitch) => loaded.get(instrument.note(cell, pitch)) };
}
