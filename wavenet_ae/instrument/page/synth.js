// Events to sound: keys, pedal, bend, pad and settings, on a live context or an offline one.

import { Automation } from "page/automation.js";
import { Mixer } from "page/mixer.js";
import { LIMITS } from "page/settings.js";
import { Voice } from "page/voice.js";

const LATEST_S = 0.5; // after its key, that a short note still begins whose sound was not loaded
const SMOOTHING_TAU_S = 0.01;
const LOUDEST = 4; // full scale of the curve that rounds off what is too loud
const STRAIGHT = 0.7; // below it, nothing is changed
const CURVE_POINTS = 8193;

/**
 * Plays events, each `{type, ...}` with its time:
 * `on {key, velocity}`, `off {key}`, `pedal {down}`, `bend {cents}`, `move {x, y}`,
 * `square {index}`, `set {settings}`, `allOff {}` (as key-ups) and `panic {}` (silence now).
 */
export class Synth {
  /**
   * @param sounds `get(cell, pitch)` gives a sound that is loaded, or undefined
   * @param state `{square, x, y, settings}` to start from
   */
  constructor(context, instrument, sounds, state) {
    Object.assign(this, { context, instrument, sounds, ...state });
    this.voices = [];
    this.held = new Map(); // key that was pressed: its voice
    this.sustained = new Set();
    this.pedal = false;
    this.lastKey = null;
    this.bendCents = 0;
    this.output = context.createGain();
    this.volume = new Automation(this.output.gain, this.loudness(), context.currentTime);
    this.limiter = softLimiter(context);
    this.output.connect(this.limiter.input);
    this.mixer = new Mixer(context, this.output);
    this.bend = new ConstantSourceNode(context, { offset: 0 });
    this.bend.start();
    this.onMissing = () => {};
  }

  connect(node) {
    this.limiter.output.connect(node);
  }

  handle(event, when) {
    this.voices = this.voices.filter((voice) => voice.endsAt > when);
    this[`on_${event.type}`](event, when);
  }

  /** How many voices sound. */
  count(when) {
    return this.voices.filter((voice) => voice.endsAt > when).length;
  }

  on_on({ key, velocity }, when) {
    if (velocity === 0) {
      this.on_off({ key }, when);
      return;
    }
    this.held.get(key)?.release(when);
    this.sustained.delete(key);
    const played = key + 12 * this.settings.octave;
    const glideCents = this.lastKey === null ? 0 : 100 * (this.lastKey - played);
    const pitch = this.instrument.pitchFor(played);
    this.lastKey = played;
    this.held.set(key, this.begin({ key: played, pitch, velocity, glideCents }, when));
  }

  /** @param note see voice.js */
  begin(note, when) {
    this.makeRoom(when);
    const voice = new Voice(this, note, when);
    this.voices.push(voice);
    this.morph(voice, when);
    return voice;
  }

  /**
   * Goes on with a voice some of whose sounds were not loaded, and now are. Of a note that was over
   * before it could be heard the whole is played now, unless that is too late to belong to its key.
   */
  join(voice, when) {
    const { key, pitch, velocity, started, released, isUnheard } = voice;
    if (released === null) this.morph(voice, when);
    else if (isUnheard && when - started <= LATEST_S) {
      voice.steal(when);
      const late = this.begin({ key, pitch, velocity, glideCents: 0 }, when);
      late.release(when + released - started);
      late.isUnheard = false; // once is enough, also where the pad has moved on
    }
  }

  on_off({ key }, when) {
    if (!this.held.has(key)) return;
    if (this.pedal) this.sustained.add(key);
    else this.release(key, when);
  }

  on_pedal({ down }, when) {
    this.pedal = down;
    if (down) return;
    for (const key of this.sustained) this.release(key, when);
    this.sustained.clear();
  }

  on_bend({ cents }, when) {
    this.bendCents = cents;
    this.bend.offset.setValueAtTime(cents, when);
    for (const voice of this.voices) voice.bend(cents, when);
  }

  on_move({ x, y }, when) {
    Object.assign(this, { x, y });
    this.morphAll(when);
  }

  on_square({ index }, when) {
    this.square = index;
    this.morphAll(when);
  }

  on_set({ settings }, when) {
    this.settings = { ...this.settings, ...settings };
    this.volume.approach(this.loudness(), when, SMOOTHING_TAU_S);
  }

  on_allOff(_, when) {
    this.pedal = false;
    for (const key of [...this.held.keys()]) this.release(key, when);
    this.sustained.clear();
  }

  on_panic(event, when) {
    this.on_allOff(event, when);
    for (const voice of this.voices) voice.steal(when);
    this.on_bend({ cents: 0 }, when);
  }

  release(key, when) {
    this.held.get(key)?.release(when);
    this.held.delete(key);
  }

  /** Ends the oldest voice if there are as many as may be, and first one whose key is up. */
  makeRoom(when) {
    const most = this.settings.voices ?? LIMITS.voices.default;
    const sounding = this.voices.filter((voice) => voice.endsAt > when && !voice.isStolen);
    if (sounding.length < most) return;
    const oldest = sounding.find((voice) => voice.released !== null) ?? sounding[0];
    oldest.steal(when);
    for (const [key, voice] of this.held) {
      if (voice === oldest) this.held.delete(key);
    }
  }

  morphAll(when) {
    for (const voice of this.voices) {
      if (voice.released === null) this.morph(voice, when);
    }
  }

  morph(voice, when) {
    const weights = this.instrument.weightsAt(this.square, this.x, this.y);
    const missing = voice.morph(weights, when);
    if (missing.length) this.onMissing(voice, missing);
  }

  loudness() {
    return this.settings.volume ** 2;
  }
}

/** Leaves what is below `STRAIGHT` as it is, and rounds off the rest below 1. */
export function softLimiter(context) {
  const curve = new Float32Array(CURVE_POINTS);
  for (let i = 0; i < CURVE_POINTS; i++) {
    const value = LOUDEST * ((2 * i) / (CURVE_POINTS - 1) - 1);
    const over = Math.max(0, Math.abs(value) - STRAIGHT);
    const rounded = (1 - STRAIGHT) * Math.tanh(over / (1 - STRAIGHT));
    curve[i] = Math.sign(value) * (Math.min(Math.abs(value), STRAIGHT) + rounded);
  }
  const input = new GainNode(context, { gain: 1 / LOUDEST });
  const output = new WaveShaperNode(context, { curve });
  input.connect(output);
  return { input, output };
}
