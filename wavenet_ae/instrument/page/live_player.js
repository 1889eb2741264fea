// The instrument as the decoder plays it live: events go to the server, its sound comes back.

import { Player } from "page/player.js";
import { Stream } from "page/stream.js";
import { softLimiter } from "page/synth.js";

const STARTING_MS = 1000; // in which a first note waits for the sound to go on
const HIGHEST_KEY = 127;
const VOLUME_TAU_S = 0.01;

/** Sends what player.js sends, and `stream` when what the stream shows changes. */
export class LivePlayer extends Player {
  /** @param live what the server says of itself */
  constructor(instrument, state, live) {
    super(instrument, null, state);
    this.live = live;
    this.stream = new Stream(live);
    this.sounding = new Map(); // key that was pressed: the message that it was sent as
    this.stream.getState = () => [...this.controls(), ...this.sounding.values()];
    this.stream.addEventListener("change", () => this.dispatchEvent(new Event("stream")));
    this.stream.addEventListener("chunk", ({ detail }) => this.recorded?.push(detail.slice()));
  }

  /** Browsers resample as well as this page could; see docs/instrument.md. */
  start() {
    const { rate } = this.live;
    this.context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    this.context.onstatechange = () => this.dispatchEvent(new Event("state"));
    this.output = this.toSpeaker(this.context, this.state.settings);
    this.started = performance.now();
    this.synth = this;
    for (const event of this.controls()) this.stream.send(event);
    this.startRing();
  }

  /** The volume, and the limiter behind it. */
  toSpeaker(context, settings) {
    const output = new GainNode(context, { gain: this.loudness(settings) });
    const limiter = softLimiter(context);
    output.connect(limiter.input);
    limiter.output.connect(context.destination);
    return output;
  }

  async startRing() {
    await this.context.audioWorklet.addModule("page/ring.js");
    const node = new AudioWorkletNode(this.context, "ring", {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: { every: this.live.hop, start: this.stream.wanted },
    });
    node.connect(this.output);
    this.stream.attach(node);
  }

  /** Takes the place of a synth (see synth.js), as far as the decoder can. */
  handle(event) {
    switch (event.type) {
      case "on":
        this.press(event);
        break;
      case "off":
        this.lift(event.key);
        break;
      case "move":
      case "pedal":
        this.stream.send(event);
        break;
      case "set":
        this.setVolume(this.output, this.state.settings, this.context.currentTime);
        break;
      case "allOff":
      case "panic":
        this.sounding.clear();
        this.stream.send({ type: event.type });
    }
  }

  press({ key, velocity }) {
    this.lift(key);
    this.stream.takeBack();
    // Notes for later would all sound at once.
    if (!this.isRunning && performance.now() - this.started > STARTING_MS) return;
    const sounds = key + 12 * this.state.settings.octave;
    if (sounds < 0 || sounds > HIGHEST_KEY) return;
    this.sounding.set(key, { type: "on", key: sounds, velocity });
    this.stream.send(this.sounding.get(key));
  }

  lift(key) {
    const pressed = this.sounding.get(key);
    if (pressed) this.stream.send({ type: "off", key: pressed.key });
    this.sounding.delete(key);
  }

  /** Without the bend, which the decoder cannot follow. */
  controls() {
    return super.controls().filter(({ type }) => type !== "bend");
  }

  setVolume(output, settings, when) {
    output.gain.setTargetAtTime(this.loudness(settings), when, VOLUME_TAU_S);
  }

  /** As loud as rendered notes: the server leaves room above several voices. */
  loudness({ volume }) {
    return volume ** 2 / this.live.headroom;
  }

  count() {
    return this.stream.voices;
  }

  /** Seconds from an event to the loudspeaker: the median of the last notes; or null. */
  latency() {
    const heard = this.stream.latencies.map(({ toRing, inRing }) => toRing + inRing);
    if (!this.isRunning || !heard.length) return null;
    const median = heard.sort((one, other) => one - other)[heard.length >> 1];
    return median + this.context.baseLatency + (this.context.outputLatency || 0);
  }

  record() {
    super.record();
    this.recorded = [];
  }

  stopRecording() {
    const chunks = this.recorded;
    this.recorded = null;
    return { ...super.stopRecording(), chunks };
  }

  /** @returns a promise of a recording as it was heard, but without gaps, and its rate */
  async render({ chunks, state, events }) {
    const { rate } = this.live;
    const kept = joined(chunks);
    const context = new OfflineAudioContext(1, kept.length, rate);
    const buffer = new AudioBuffer({ length: kept.length, sampleRate: rate });
    buffer.copyToChannel(kept, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    const output = this.toSpeaker(context, state.settings);
    source.connect(output);
    source.start();
    let { settings } = state;
    for (const event of events.filter(({ type }) => type === "set")) {
      settings = { ...settings, ...event.settings };
      this.setVolume(output, settings, event.time);
    }
    return { samples: (await context.startRendering()).getChannelData(0), rate };
  }
}

/** All chunks' samples in one array, of one sample at least. */
function joined(chunks) {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const samples = new Float32Array(Math.max(1, length));
  let at = 0;
  for (const chunk of chunks) {
    samples.set(chunk, at);
    at += chunk.length;
  }
  return samples;
}
