// How loud each cell is, so that a mixture is as loud as what it lies between.

/**
 * Gains for sounds that run together. Harmonics in phase add as amplitudes, everything else as
 * powers: plain weights would make two breathy notes 3 dB softer in their middle, and equal powers
 * two pure ones 3 dB louder. So the weights are scaled by how much the sounds really have in common.
 *
 * @param weights of the sounds
 * @param sounds see sound.js; undefined where one is not loaded
 * @returns a gain for each, which holds the note's own
 */
export function blend(weights, sounds) {
  let wanted = 0;
  let power = 0;
  sounds.forEach((sound, i) => {
    if (!sound) return;
    wanted += weights[i] * sound.loudness;
    sounds.forEach((other, j) => {
      if (!other) return;
      const common = i === j ? 1 : correlation(sound, other);
      power += weights[i] * weights[j] * sound.loudness * other.loudness * common;
    });
  });
  const scale = power > 0 ? wanted / Math.sqrt(power) : 1;
  return sounds.map((sound, i) => (sound ? scale * weights[i] * sound.gain : 0));
}

/** Of two notes of a pitch that are played in phase: of their steady harmonics. */
function correlation(one, other) {
  let sum = 0;
  for (let h = 0; h < Math.min(one.harmonics.length, other.harmonics.length); h++) {
    sum +=
      one.harmonics[h][0] * other.harmonics[h][0] + one.harmonics[h][1] * other.harmonics[h][1];
  }
  return Math.max(0, sum);
}
