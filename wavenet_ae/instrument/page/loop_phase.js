// Tuning and phase of a note's steady part, so that notes sound together without beating.

const CANDIDATE_CENTS = 70; // how far from its pitch a note is looked for
const TUNED_HARMONICS = 3;
const ALIGNED_HARMONICS = 8;
const HIGHEST_HZ = 7000;
const ANGLES = 256;

/**
 * Finds the harmonic series of the part that repeats: it has a whole number of periods, so that its
 * harmonics are exactly bins of its Fourier transform, and stay in phase however often it repeats.
 *
 * @param samples Float32Array of the note
 * @param first, end the part to look at, in samples
 * @param hz the note's nominal pitch
 * @returns the period in samples; `peak`, the first place, less than a period from the start of the
 *     note, at which the harmonics are as near to the top of a cosine as they get; and the
 *     `harmonics` there, `[re, im]`, whose squares are their shares of the part's power. Null where
 *     the part is silent or too short
 */
export function findPhase(samples, first, end, hz, rate) {
  const region = samples.subarray(first, end);
  const count = periods(region, hz / rate);
  if (!count) return null;
  const period = region.length / count;
  const harmonics = [];
  for (let h = 1; h <= ALIGNED_HARMONICS && (h * rate) / period < HIGHEST_HZ; h++) {
    harmonics.push(bin(region, h * count));
  }
  const angle = peakAngle(harmonics);
  const peak = first + (angle / (2 * Math.PI)) * period;
  const power = region.reduce((sum, sample) => sum + sample * sample, 0);
  const scale = Math.sqrt(2 / (power * region.length));
  return {
    period,
    peak: peak % period,
    harmonics: harmonics.map((value, index) => turned(value, (index + 1) * angle, scale)),
  };
}

function turned({ re, im }, angle, scale) {
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  return [scale * (re * cosine - im * sine), scale * (re * sine + im * cosine)];
}

/** The number of periods in the region whose first harmonics are strongest, or 0. */
function periods(region, cyclesPerSample) {
  const spread = 2 ** (CANDIDATE_CENTS / 1200);
  const expected = cyclesPerSample * region.length;
  let best = 0;
  let strongest = 1e-6 * region.length;
  const last = Math.floor(expected * spread);
  for (let count = Math.max(1, Math.ceil(expected / spread)); count <= last; count++) {
    let energy = 0;
    for (let h = 1; h <= TUNED_HARMONICS && h * count * 2 < region.length; h++) {
      const { re, im } = bin(region, h * count);
      energy += Math.hypot(re, im) ** 2;
    }
    if (energy > strongest ** 2) [best, strongest] = [count, Math.sqrt(energy)];
  }
  return best;
}

/** One value of the discrete Fourier transform, by Goertzel's recursion. */
function bin(region, index) {
  const angle = (2 * Math.PI * index) / region.length;
  const twice = 2 * Math.cos(angle);
  let [last, before] = [0, 0];
  for (let i = 0; i < region.length; i++) {
    const next = region[i] + twice * last - before;
    before = last;
    last = next;
  }
  return { re: last * Math.cos(angle) - before, im: last * Math.sin(angle) };
}

/** The angle of the fundamental at which the harmonics' sum, weighted by strength, is largest. */
function peakAngle(harmonics) {
  let best = 0;
  let largest = Number.NEGATIVE_INFINITY;
  for (let step = 0; step < ANGLES; step++) {
    const angle = (2 * Math.PI * step) / ANGLES;
    let sum = 0;
    harmonics.forEach(({ re, im }, index) => {
      sum += turned({ re, im }, (index + 1) * angle, Math.hypot(re, im))[0];
    });
    if (sum > largest) [best, largest] = [angle, sum];
  }
  return best;
}
