// The notes' sounds: decoded when they are needed, those around the pad's position first.

import { prepare } from "page/sound.js";

const RATE = 16000;
const MOST = 240; // decoded notes that are kept, 0.8 MB each

export class Sounds {
  /** @param read gives a promise of a file's bytes (ArrayBuffer), by its name in the folder */
  constructor(instrument, read) {
    Object.assign(this, { instrument, read });
    this.loaded = new Map(); // by file, the least recently used first
    this.loading = new Map();
    this.queue = [];
    this.working = false;
    this.onChange = () => {};
  }

  /** The sound of a note if it is loaded. */
  get(cell, pitch) {
    const { file } = this.instrument.note(cell, pitch);
    const sound = this.loaded.get(file);
    if (sound) {
      this.loaded.delete(file);
      this.loaded.set(file, sound);
    }
    return sound;
  }

  /** @returns a promise of the sound of a note */
  load(cell, pitch) {
    const note = this.instrument.note(cell, pitch);
    const sound = this.get(cell, pitch);
    if (sound) return Promise.resolve(sound);
    if (!this.loading.has(note.file)) {
      const promise = this.fetch(note).finally(() => this.loading.delete(note.file));
      this.loading.set(note.file, promise);
    }
    return this.loading.get(note.file);
  }

  async fetch(note) {
    const bytes = await this.read(note.file);
    const decoder = new OfflineAudioContext(1, 1, RATE); // leaves 16 kHz as they are
    const decoded = await decoder.decodeAudioData(bytes);
    const sound = prepare(decoded.getChannelData(0), note);
    this.loaded.set(note.file, sound);
    for (const [file] of this.loaded) {
      if (this.loaded.size <= MOST) break;
      this.loaded.delete(file);
    }
    this.onChange();
    return sound;
  }

  /** Loads the notes around a place on the pad, those near a key first, instead of earlier wishes. */
  wantAround({ square, x, y }, key) {
    const cells = this.cellsByDistance(square, x, y);
    const pitches = [...this.instrument.pitches].sort(
      (one, other) => Math.abs(one - key) - Math.abs(other - key),
    );
    const near = [...this.instrument.weightsAt(square, x, y).keys()];
    const far = cells.filter((cell) => !near.includes(cell));
    const wishes = [near, far]
      .flatMap((group) => pitches.flatMap((pitch) => group.map((cell) => [cell, pitch])))
      .slice(0, MOST);
    // The nearest last, so that they are kept longest.
    const loaded = [...wishes].reverse().filter((wish) => this.get(...wish));
    this.queue = wishes.filter((wish) => !loaded.includes(wish));
    this.work();
  }

  cellsByDistance(square, x, y) {
    const rows = this.instrument.squares[square].cells;
    const placed = rows.flatMap((row, i) =>
      row.map((cell, j) => {
        const vertical = rows.length > 1 ? i / (rows.length - 1) - y : 0;
        return { cell, distance: Math.hypot(j / Math.max(1, row.length - 1) - x, vertical) };
      }),
    );
    return placed.sort((one, other) => one.distance - other.distance).map(({ cell }) => cell);
  }

  async work() {
    if (this.working) return;
    this.working = true;
    this.onChange();
    try {
      while (this.queue.length) {
        await this.load(...this.queue.shift());
        await new Promise((resolve) => setTimeout(resolve)); // lets keys through
      }
    } catch (error) {
      this.queue = [];
      this.failure = error;
    }
    this.working = false;
    this.onChange();
  }
}

/** Reads the sounds that the page holds, or the files beside it. */
export function reader(document, embedded) {
  if (!embedded) return readFile;
  const scripts = new Map();
  for (const script of document.querySelectorAll("script[data-file]")) {
    scripts.set(script.dataset.file, script);
  }
  return async (file) => fromBase64(scripts.get(file).textContent.trim());
}

async function readFile(file) {
  if (location.protocol === "file:") {
    throw new Error("The sounds lie beside this page: open it with wavenet-ae play.");
  }
  const url = file.split("/").map(encodeURIComponent).join("/");
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${file} cannot be loaded (${response.status}).`);
  return response.arrayBuffer();
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text).buffer;
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}
