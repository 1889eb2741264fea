// Three samples of each one. Browsers transpose by drawing straight lines between samples, which at
// 16 kHz sounds dull and dirty; at 48 kHz it is out of hearing.

export const FACTOR = 3;
const REACH = 16; // samples of the filter on each side

/** Returns `FACTOR` times as many samples; the given ones stay as they are. */
export function upsample(samples) {
  const length = samples.length;
  const out = new Float32Array(length * FACTOR);
  const padded = new Float32Array(length + 2 * REACH);
  padded.set(samples, REACH);
  for (let i = 0; i < length; i++) out[i * FACTOR] = samples[i];
  for (let phase = 1; phase < FACTOR; phase++) {
    const filter = fractionalDelay(phase / FACTOR);
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (let k = 0; k < filter.length; k++) sum += filter[k] * padded[i + 1 + k];
      out[i * FACTOR + phase] = sum;
    }
  }
  return out;
}

/** A windowed sinc that reads between the samples `REACH - 1` and `REACH` of its length. */
function fractionalDelay(fraction) {
  const taps = new Float64Array(2 * REACH);
  let sum = 0;
  for (let k = 0; k < taps.length; k++) {
    const at = k - (REACH - 1) - fraction;
    const window = Math.cos((Math.PI * at) / (2 * REACH)) ** 2;
    taps[k] = (Math.sin(Math.PI * at) / (Math.PI * at)) * window;
    sum += taps[k];
  }
  return taps.map((tap) => tap / sum);
}
