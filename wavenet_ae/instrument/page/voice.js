// One note that sounds: the cells around the pad's position together, under one envelope.

import { Automation } from "page/automation.js";
import { blend } from "page/blend.js";
import { Layer } from "page/layer.js";
import { Mixer } from "page/mixer.js";
import { PitchClock } from "page/pitch_clock.js";

const SHORTEST_ATTACK_S = 0.004; // shorter ones click
const SHORTEST_S = 0.01;
const STEAL_S = 0.008;
const DECAYS_TO_SUSTAIN = 4; // time constants in the decay's length
const SILENCE = Math.log(1000); // time constants to -60 dB

export class Voice {
  /**
   * @param synth gives context, sounds, bend (a node), bendCents, mixer and settings
   * @param key MIDI, with the octave's shift
   * @param velocity 1 to 127; its square is the level, as samplers have it
   * @param glideCents from how far the pitch slides
   */
  constructor(synth, { key, pitch, velocity, glideCents }, when) {
    const { context, settings } = synth;
    Object.assign(this, { context, key, pitch, velocity, sounds: synth.sounds, started: when });
    this.rate = 2 ** ((key - pitch) / 12);
    this.loops = settings.loop;
    this.startShare = settings.start;
    this.output = context.createGain();
    this.endsAt = Number.POSITIVE_INFINITY;
    this.mixer = new Mixer(context, this.output);
    synth.mixer.add(this, when);
    const glide = { cents: glideCents, seconds: settings.glide };
    this.clock = new PitchClock(this.rate, context.sampleRate, glide, synth.bendCents, when);
    this.detunes = [synth.bend, ...this.slide(glide, when)];
    this.startEnvelope(settings, (velocity / 127) ** 2, when);
    this.releaseSeconds = settings.release;
    this.layers = new Map();
    this.released = null;
    this.isStolen = false;
    this.isUnheard = false; // whether its key was up before any of its sounds was loaded
  }

  slide({ cents, seconds }, when) {
    if (!cents || !seconds) return [];
    this.glide = new ConstantSourceNode(this.context, { offset: 0 });
    new Automation(this.glide.offset, cents, when).lineTo(0, when, when + seconds);
    this.glide.start(when);
    return [this.glide];
  }

  startEnvelope({ attack, decay, sustain }, level, when) {
    const top = when + Math.max(attack, SHORTEST_ATTACK_S);
    this.envelope = new Automation(this.output.gain, 0, when);
    this.envelope.lineTo(level, when, top);
    const tau = Math.max(decay, SHORTEST_S) / DECAYS_TO_SUSTAIN;
    if (sustain < 1) this.envelope.approach(level * sustain, top, tau);
  }

  /**
   * Sounds as these cells from now on. Cells whose sound is not loaded are left out.
   *
   * @param weights Map of cell to weight
   * @returns the cells that were left out
   */
  morph(weights, when) {
    const played = this.clock.at(when);
    const cells = [...weights.keys()];
    const sounds = cells.map(
      (cell) => this.layers.get(cell)?.sound ?? this.sounds.get(cell, this.pitch),
    );
    const gains = blend(
      cells.map((cell) => weights.get(cell)),
      sounds,
    );
    cells.forEach((cell, index) => {
      const [sound, gain] = [sounds[index], gains[index]];
      if (!sound) return;
      if (this.layers.has(cell)) this.layers.get(cell).moveTo(gain, when);
      else this.layers.set(cell, new Layer(this, sound, played, gain, when));
    });
    const missing = cells.filter((_, index) => !sounds[index]);
    for (const [cell, layer] of this.layers) {
      if (weights.has(cell)) continue;
      layer.leave(when);
      this.layers.delete(cell);
    }
    const remaining = [...this.layers.values()].map((layer) => layer.remaining(played));
    if (!missing.length) this.endsAt = when + Math.max(0, ...remaining);
    return missing;
  }

  bend(cents, when) {
    this.clock.bend(cents, when);
  }

  /** The key is up: the note's own release, under the envelope's. */
  release(when) {
    if (this.released !== null) return;
    this.released = when;
    this.isUnheard = !this.layers.size;
    const played = this.clock.at(when);
    for (const layer of this.layers.values()) layer.release(played, when);
    const seconds = Math.max(this.releaseSeconds, SHORTEST_S);
    this.envelope.approach(0, when, seconds / SILENCE);
    this.end(when + seconds);
  }

  /** Makes room for another voice. */
  steal(when) {
    this.isStolen = true;
    this.isUnheard = false;
    this.released ??= when;
    this.envelope.lineTo(0, when, when + STEAL_S);
    this.end(when + STEAL_S);
  }

  end(when) {
    this.endsAt = Math.min(this.endsAt, when);
    for (const layer of this.layers.values()) layer.stop(when);
    this.glide?.stop(when);
  }
}
