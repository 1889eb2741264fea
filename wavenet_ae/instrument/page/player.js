// The instrument as it is played now: the audio context, the synth on it, and the recorder.

import { Recorder, RATE as RENDERED_RATE, render } from "page/recording.js";
import { Synth } from "page/synth.js";

const RATE = 48000; // at which the sounds are prepared
const AHEAD_S = 0.005; // of the clock, which is read between two blocks

/** Sends `event` for everything that is played, `state` when the sound goes on or off. */
export class Player extends EventTarget {
  /** @param state `{square, x, y, settings}` */
  constructor(instrument, sounds, state) {
    super();
    Object.assign(this, { instrument, sounds, state });
    this.keys = new Map(); // keys that are down: velocity
    this.pedal = false;
    this.bendCents = 0;
    this.recorder = null;
  }

  /** Starts the sound; browsers allow it while a person presses something. */
  unlock() {
    if (!this.context) this.start();
    if (this.context.state !== "running") this.context.resume();
  }

  start() {
    this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.context.onstatechange = () => this.dispatchEvent(new Event("state"));
    this.synth = new Synth(this.context, this.instrument, this.sounds, this.state);
    this.synth.connect(this.context.destination);
    this.synth.onMissing = (voice, cells) => this.fetch(voice, cells);
    for (const event of this.controls()) this.synth.handle(event, this.now());
  }

  get isRunning() {
    return this.context?.state === "running";
  }

  /** Plays an event; see synth.js. Of a move, x or y may be missing. */
  play(given) {
    const event = this.complete(given);
    this.remember(event);
    if (event.type === "on") this.unlock();
    if (this.synth) {
      const when = this.now();
      this.synth.handle(event, when);
      this.recorder?.add(event, when);
    }
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }

  complete(event) {
    if (event.type !== "move") return event;
    return { ...event, x: event.x ?? this.state.x, y: event.y ?? this.state.y };
  }

  remember(event) {
    const { state, keys } = this;
    if (event.type === "move") this.state = { ...state, x: event.x, y: event.y };
    if (event.type === "square") this.state = { ...state, square: event.index };
    if (event.type === "set") {
      this.state = { ...state, settings: { ...state.settings, ...event.settings } };
    }
    if (event.type === "on") keys.set(event.key, event.velocity);
    if (event.type === "off") keys.delete(event.key);
    if (event.type === "pedal") this.pedal = event.down;
    if (event.type === "bend") this.bendCents = event.cents;
    if (event.type === "allOff" || event.type === "panic") {
      keys.clear();
      this.pedal = false;
    }
    if (event.type === "panic") this.bendCents = 0;
  }

  /** The events that set the pad, the pedal and the bend as they are. */
  controls() {
    const { x, y } = this.state;
    const events = [{ type: "move", x, y }];
    if (this.pedal) events.push({ type: "pedal", down: true });
    if (this.bendCents) events.push({ type: "bend", cents: this.bendCents });
    return events;
  }

  /** A sound was not loaded when its note began: it joins in when it is, or begins late. */
  async fetch(voice, cells) {
    const loads = cells.map((cell) => this.sounds.load(cell, voice.pitch));
    const results = await Promise.allSettled(loads);
    const failed = results.find(({ status }) => status === "rejected");
    if (failed) this.dispatchEvent(new CustomEvent("failure", { detail: failed.reason }));
    else this.synth.join(voice, this.now());
  }

  now() {
    return this.context.currentTime + AHEAD_S;
  }

  count() {
    return this.synth ? this.synth.count(this.context.currentTime) : 0;
  }

  /** Seconds from an event to the loudspeaker, as far as the browser knows, or null. */
  latency() {
    if (!this.isRunning) return null;
    return AHEAD_S + this.context.baseLatency + (this.context.outputLatency || 0);
  }

  record() {
    this.unlock();
    const keys = [...this.keys].map(([key, velocity]) => ({ type: "on", key, velocity }));
    this.recorder = new Recorder(this.state, [...this.controls(), ...keys], this.now());
  }

  stopRecording() {
    const recording = this.recorder.stop(this.now());
    this.recorder = null;
    return recording;
  }

  /** @returns a promise of a recording's samples and their rate */
  async render(recording) {
    return { samples: await render(this.instrument, this.sounds, recording), rate: RENDERED_RATE };
  }
}
