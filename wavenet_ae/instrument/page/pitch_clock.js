// How far into its note a voice is, whatever its pitch has done.

const PER_CENT = Math.LN2 / 1200;
const BLOCK = 128; // samples, for which browsers keep the pitch as it is at their start

/** Counts the seconds of the note, at its own pitch, that have been played. */
export class PitchClock {
  /**
   * @param rate of the note's transposition
   * @param sampleRate of the context
   * @param glide `{cents, seconds}`: from how far it slides to its pitch
   */
  constructor(rate, sampleRate, glide, bendCents, when) {
    this.block = BLOCK / sampleRate;
    Object.assign(this, { rate, glide, bendCents, when, since: when, played: 0 });
  }

  at(time) {
    if (time <= this.since) return this.played;
    const slid = this.slidUntil(time) - this.slidUntil(this.since);
    return this.played + this.rate * Math.exp(PER_CENT * this.bendCents) * slid;
  }

  bend(cents, time) {
    const heard = Math.ceil(time / this.block - 1e-6) * this.block;
    this.played = this.at(heard);
    this.since = Math.max(heard, this.since);
    this.bendCents = cents;
  }

  /** The integral of the glide's rate since the start. */
  slidUntil(time) {
    const elapsed = time - this.when;
    const { cents, seconds } = this.glide;
    if (!cents || !seconds) return elapsed;
    const slope = (-PER_CENT * cents) / seconds;
    const sliding = Math.min(Math.max(elapsed - this.block / 2, 0), seconds);
    const slid = (Math.exp(PER_CENT * cents) * Math.expm1(slope * sliding)) / slope;
    return slid + (elapsed - sliding);
  }
}
