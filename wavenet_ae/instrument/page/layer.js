// One cell's part of a voice.

import { Automation } from "page/automation.js";

const JUMP_S = 0.015; // the crossfade to the note's own release
const MORPH_TAU_S = 0.015;
const LEAVING_S = 0.15; // after which a cell that the pad has left is silent
const LARGEST_JUMP = 4; // between the levels of where a note is and of its release
const SMALLEST_LEVEL = 1e-4;

/**
 * Plays a cell's note from where it would be, had it been started with its voice. The harmonics of
 * all layers are in phase, then.
 */
export class Layer {
  /**
   * @param voice gives the context, the nodes for pitch, the mixer, `rate`, `loops`, `startShare`
   * @param sound see sound.js
   * @param played seconds of the note at its own pitch that the voice has played
   * @param gain of the cell in the voice
   */
  constructor(voice, sound, played, gain, when) {
    this.voice = voice;
    this.sound = sound;
    this.output = voice.context.createGain();
    this.endsAt = Number.POSITIVE_INFINITY;
    voice.mixer.add(this, when);
    this.gain = new Automation(this.output.gain, played > 0 ? 0 : gain, when);
    if (played > 0) this.moveTo(gain, when);
    this.loops = voice.loops && sound.loop !== null;
    this.body = this.play(this.position(played), this.loops, when);
  }

  /** Where in the buffer the layer is, in seconds; a looped one, folded into its loop. */
  position(played) {
    const { sound, voice } = this;
    const first = voice.startShare * sound.release;
    const at = sound.shift + (first + played) * sound.correction;
    if (!this.loops || at < sound.loop[1]) return at;
    const [start, end] = sound.loop;
    return start + ((at - start) % (end - start));
  }

  play(offset, loops, when, level = 1) {
    const { context, rate, detunes } = this.voice;
    if (offset >= this.sound.buffer.duration) return null;
    const source = new AudioBufferSourceNode(context, {
      buffer: this.sound.buffer,
      loop: loops,
      loopStart: loops ? this.sound.loop[0] : 0,
      loopEnd: loops ? this.sound.loop[1] : 0,
      playbackRate: rate * this.sound.correction,
    });
    // A browser that has no detune neither bends nor slides.
    const bent = source.detune ? detunes : [];
    for (const detune of bent) detune.connect(source.detune);
    const gain = context.createGain();
    source.connect(gain).connect(this.output);
    source.onended = () => {
      // The wheel's node lives on, and would keep all notes that it has bent.
      for (const detune of bent) detune.disconnect(source.detune);
      gain.disconnect();
    };
    source.start(when, offset);
    return { source, level: new Automation(gain.gain, level, when) };
  }

  moveTo(gain, when) {
    this.gain.approach(gain, when, MORPH_TAU_S);
  }

  /** Fades the layer out, since the pad has left its cell. */
  leave(when) {
    this.moveTo(0, when);
    this.stop(when + LEAVING_S);
  }

  /** Seconds from where the layer is to its end, or Infinity for a loop. */
  remaining(played) {
    if (this.loops) return Number.POSITIVE_INFINITY;
    const left = this.sound.buffer.duration - this.position(played);
    return Math.max(0, left) / (this.voice.rate * this.sound.correction);
  }

  /**
   * Jumps to the note's own release, in phase and at the level of where the layer is. A note whose
   * release is far from that level (a plucked one, which has died away by then) stays where it is.
   */
  release(played, when) {
    const { sound } = this;
    const at = this.position(played);
    if (!this.body || at >= sound.release) return;
    const level = sound.level(at) / Math.max(sound.level(sound.release), SMALLEST_LEVEL);
    if (level > LARGEST_JUMP || level < 1 / LARGEST_JUMP) return;
    const behind = sound.period ? modulo(at - sound.release, sound.period) : 0;
    this.tail = this.play(sound.release + behind, false, when, 0);
    if (!this.tail) return;
    this.tail.level.lineTo(level, when, when + JUMP_S);
    this.body.level.lineTo(0, when, when + JUMP_S);
    this.body.source.stop(when + JUMP_S);
  }

  stop(when) {
    // After a jump the body ends with the crossfade.
    (this.tail ?? this.body)?.source.stop(when);
    this.endsAt = when;
  }
}

function modulo(value, divisor) {
  return ((value % divisor) + divisor) % divisor;
}
