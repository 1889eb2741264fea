// What a patch sets, besides the place on the pad.

/** Each with its range; `power` makes small values easy to reach on a slider. */
export const SLIDERS = {
  attack: { label: "Attack", min: 0, max: 4, default: 0, unit: "s", power: 3 },
  decay: { label: "Decay", min: 0, max: 4, default: 0.5, unit: "s", power: 3 },
  sustain: { label: "Sustain", min: 0, max: 1, default: 1, unit: "%", power: 1 },
  release: { label: "Release", min: 0, max: 8, default: 0.8, unit: "s", power: 3 },
  start: { label: "Start", min: 0, max: 1, default: 0, unit: "%", power: 1 },
  glide: { label: "Glide", min: 0, max: 2, default: 0, unit: "s", power: 3 },
  volume: { label: "Volume", min: 0, max: 1, default: 0.7, unit: "%", power: 1 },
};

export const MOST_OCTAVES = 3;
export const LIMITS = { voices: { min: 1, max: 32, default: 16 } };

export function defaults() {
  const settings = { loop: true, octave: 0, voices: LIMITS.voices.default };
  for (const [name, { default: value }] of Object.entries(SLIDERS)) settings[name] = value;
  return settings;
}

/** Settings whose values are of the right kind and in range; others become those of `base`. */
export function checked(given, base = defaults()) {
  const settings = { ...base };
  for (const [name, { min, max }] of Object.entries(SLIDERS)) {
    settings[name] = clamp(number(given[name], settings[name]), min, max);
  }
  const { min, max } = LIMITS.voices;
  settings.voices = Math.round(clamp(number(given.voices, settings.voices), min, max));
  settings.octave = Math.round(
    clamp(number(given.octave, settings.octave), -MOST_OCTAVES, MOST_OCTAVES),
  );
  if (given.loop !== undefined) settings.loop = truth(given.loop);
  return settings;
}

export function clamp(value, min, max) {
  return Math.min(Math.max(value, min), max);
}

export function number(value, otherwise) {
  const found = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
  return value === null || !Number.isFinite(found) ? otherwise : found;
}

function truth(value) {
  return value === true || value === "1" || value === "true";
}

/** A setting as a person reads it. */
export function shown(name, value) {
  const { unit } = SLIDERS[name];
  if (unit === "%") return `${Math.round(100 * value)} %`;
  return value < 1 ? `${Math.round(1000 * value)} ms` : `${value.toFixed(2)} s`;
}
