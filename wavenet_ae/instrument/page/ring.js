// The live sound's last stop, in the audio thread: samples wait here until they are played.

const FADE_SAMPLES = 64; // in which sound begins, and its last sample goes to 0 where it breaks off

/**
 * Plays what it is sent. It starts with `start` samples, and when it has run out of them, it waits
 * for as many again.
 *
 * Takes `{samples}`, `{start}` and `{ended}` (true: what follows is no gap). Says
 * `{consumed, underruns}`, both counted from the beginning, every `every` samples and at each gap.
 */
class Ring extends AudioWorkletProcessor {
  constructor({ processorOptions: { every, start } }) {
    super();
    Object.assign(this, { every, start });
    this.chunks = [];
    this.offset = 0; // played of the first chunk
    this.level = 0;
    this.consumed = 0;
    this.said = 0;
    this.underruns = 0;
    this.playing = false;
    this.ended = false;
    this.fadeIn = 0;
    this.fadeOut = 0;
    this.last = 0; // the sample that was played last
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ samples, start, ended }) {
    if (samples) {
      this.chunks.push(samples);
      this.level += samples.length;
    }
    this.start = start ?? this.start;
    this.ended = ended ?? this.ended;
  }

  process(_, [[output]]) {
    if (!this.playing && this.level >= this.start) {
      this.playing = true;
      this.fadeIn = FADE_SAMPLES;
    }
    if (this.playing) this.play(output);
    else this.fall(output, 0);
    return true;
  }

  play(output) {
    const wanted = Math.min(output.length, this.level);
    this.copy(output, wanted);
    this.rise(output);
    this.consumed += wanted;
    if (wanted < output.length) this.runOut(output, wanted);
    else {
      this.fall(output, 0); // of a gap that was shorter
      this.last = output[wanted - 1];
    }
    if (this.consumed - this.said >= this.every) this.say();
  }

  copy(output, wanted) {
    let done = 0;
    while (done < wanted) {
      const [first] = this.chunks;
      const count = Math.min(wanted - done, first.length - this.offset);
      output.set(first.subarray(this.offset, this.offset + count), done);
      done += count;
      this.offset += count;
      if (this.offset === first.length) {
        this.chunks.shift();
        this.offset = 0;
      }
    }
    this.level -= wanted;
  }

  rise(output) {
    for (let i = 0; i < output.length && this.fadeIn > 0; i++, this.fadeIn--) {
      output[i] *= 1 - this.fadeIn / FADE_SAMPLES;
    }
  }

  /** Goes on falling to 0 from the last sample before a gap. */
  fall(output, from) {
    for (let i = from; i < output.length && this.fadeOut > 0; i++) {
      this.fadeOut--;
      output[i] += (this.last * this.fadeOut) / FADE_SAMPLES;
    }
  }

  runOut(output, wanted) {
    // Chunks are whole blocks of the audio thread, so that most gaps begin with one.
    if (wanted > 0) this.last = output[wanted - 1];
    this.fadeOut = FADE_SAMPLES;
    this.fall(output, wanted);
    this.playing = false;
    if (!this.ended) this.underruns += 1;
    this.say();
  }

  say() {
    this.said = this.consumed;
    this.port.postMessage({ consumed: this.consumed, underruns: this.underruns });
  }
}

registerProcessor("ring", Ring);
