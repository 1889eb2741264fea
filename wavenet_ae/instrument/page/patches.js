// Patches: a place on a pad, and settings. Kept in the browser, in files and in addresses.

import { SLIDERS, checked, clamp, number } from "page/settings.js";

const FORMAT = "wavenet_ae patches";
const MOST_UNDONE = 100;

/** A dozen that suit any sounds; what is left out is as it is at the start. */
export const FACTORY = [
  { name: "Middle" },
  { name: "Organ keys", attack: 0.01, release: 0.12, x: 0.25, y: 0.25 },
  { name: "Pluck", decay: 0.45, sustain: 0, release: 0.4, x: 0.75, y: 0.25 },
  { name: "Slow strings", attack: 0.9, release: 2.2, x: 0.35, y: 0.6 },
  { name: "Bell", decay: 2.5, sustain: 0, release: 2.5, x: 1, y: 0 },
  { name: "Swell", attack: 2.5, release: 3, start: 0.1, x: 0.5, y: 0.8 },
  { name: "Lead", glide: 0.09, release: 0.25, voices: 1, x: 0.8, y: 0.6 },
  { name: "Deep", octave: -1, release: 0.5, x: 0.1, y: 0.9 },
  { name: "Bright", octave: 1, decay: 1, sustain: 0.6, x: 0.9, y: 0.1 },
  { name: "No onset", start: 0.25, attack: 0.06, release: 0.6, x: 0.6, y: 0.4 },
  { name: "As rendered", loop: false, release: 0.3, x: 0, y: 0 },
  { name: "Long glide", glide: 0.6, attack: 0.15, release: 1.8, x: 0.4, y: 1 },
];

export function patchOf(instrument, state, name) {
  const { square, x, y, settings } = state;
  return { name, corners: instrument.cornerNames(square), x, y, ...settings };
}

/** The state that a patch stands for; what it lacks, or has wrong, is as it is at the start. */
export function stateOf(instrument, patch, square = 0) {
  const found = instrument.squareOf(patch.corners ?? []);
  const place = (value) => Math.round(1e4 * clamp(number(value, 0.5), 0, 1)) / 1e4;
  return {
    square: found >= 0 ? found : square,
    x: place(patch.x),
    y: place(patch.y),
    settings: checked(patch),
  };
}

export function toHash(patch) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(patch)) {
    if (name === "corners") for (const corner of value) query.append("corner", corner);
    else query.set(name, typeof value === "number" ? String(Number(value.toFixed(4))) : value);
  }
  return `#${query}`;
}

/** The patch in an address, or null. */
export function fromHash(hash) {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  if (!query.has("x")) return null;
  const { corner, ...patch } = Object.fromEntries(query);
  return corner === undefined ? patch : { ...patch, corners: query.getAll("corner") };
}

export function toFile(patches) {
  return `${JSON.stringify({ format: FORMAT, patches }, null, 1)}\n`;
}

/** @throws where the text is not a file of patches */
export function fromFile(text) {
  let content = null;
  try {
    content = JSON.parse(text);
  } catch {
    // It is refused below.
  }
  const patches = content?.format === FORMAT ? content.patches : null;
  if (!Array.isArray(patches) || !patches.every((patch) => typeof patch?.name === "string")) {
    throw new Error("This file holds no patches: choose one that was saved here.");
  }
  return patches;
}

/** Anything that is likely to be heard: onsets short more often than long. */
export function randomState(instrument, random = Math.random) {
  const settings = {};
  for (const [name, { min, max, power }] of Object.entries(SLIDERS)) {
    settings[name] = min + (max - min) * random() ** (2 * power);
  }
  settings.sustain = 1 - random() ** 2;
  settings.start *= 0.5;
  settings.glide *= 0.25;
  settings.octave = 0;
  settings.loop = true;
  delete settings.volume;
  return {
    square: Math.floor(random() * instrument.squares.length),
    x: random(),
    y: random(),
    settings: checked(settings),
  };
}

/**
 * Own patches, kept by the browser for this instrument: for its name and its sounds, which patches
 * name, since folders at several places may have one name. Other tabs may change what is kept.
 */
export class OwnPatches {
  constructor(instrument, storage) {
    this.key = `wavenet_ae patches of ${JSON.stringify([instrument.name, ...instrument.sounds])}`;
    this.storage = storage;
    this.isKept = true;
    this.patches = [];
    this.refresh();
  }

  /** Takes over what is kept now; where nothing can be kept, what this page has stays. */
  refresh() {
    if (!this.isKept) return;
    try {
      this.patches = fromFile(this.storage.getItem(this.key) ?? "");
    } catch {
      this.patches = [];
    }
  }

  /** Adds patches; one of a name that is there takes its place. */
  add(...added) {
    this.refresh();
    const names = new Set(added.map(({ name }) => name));
    this.patches = [...this.patches.filter(({ name }) => !names.has(name)), ...added];
    return this.save();
  }

  remove(name) {
    this.refresh();
    this.patches = this.patches.filter((patch) => patch.name !== name);
    return this.save();
  }

  /** Whether the browser keeps them. */
  save() {
    try {
      this.storage.setItem(this.key, toFile(this.patches));
      this.isKept = true;
    } catch {
      this.isKept = false;
    }
    return this.isKept;
  }
}

/** Earlier states, to go back to. */
export class History {
  constructor() {
    this.states = [];
  }

  push(state) {
    if (JSON.stringify(state) === JSON.stringify(this.states.at(-1))) return;
    this.states.push(state);
    if (this.states.length > MOST_UNDONE) this.states.shift();
  }

  pop() {
    return this.states.pop();
  }
}
