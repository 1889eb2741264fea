// A rendered note, made ready to be played.

import { findPhase } from "page/loop_phase.js";
import { FACTOR, upsample } from "page/upsample.js";

const RATE = 16000;
const FRAME_SAMPLES = 320; // 20 ms, of the levels
const LARGEST_CORRECTION_CENTS = 60;
const STEADY = [0.3, 0.9]; // the part of a note without a loop that is looked at, up to its release

/**
 * A note: a buffer and what the voices need to know of it, in seconds of the buffer.
 *
 * @typedef {object} Sound
 * @property {AudioBuffer} buffer at 48 kHz
 * @property {?number[]} loop start and end
 * @property {number} release where the note's own release starts
 * @property {number} gain
 * @property {number} correction the rate at which it is in tune
 * @property {?number} period of its harmonics, before the correction; null without a pitch
 * @property {number} shift where to start so that notes are in phase, less than a period
 * @property {number[][]} harmonics see loop_phase.js; none without a pitch
 * @property {number} loudness RMS of the steady part, with the gain
 * @property {function(number): number} level RMS around a time
 */

/**
 * @param samples Float32Array at 16 kHz
 * @param note of the instrument's description
 * @returns {Sound}
 */
export function prepare(samples, note) {
  const [first, end] = note.loop ?? STEADY.map((part) => Math.round(part * note.release));
  const phase = note.cents === null ? null : phaseOf(samples, first, end, note);
  const data = upsample(samples);
  const buffer = new AudioBuffer({ length: data.length, sampleRate: RATE * FACTOR });
  buffer.copyToChannel(data, 0);
  const levels = frameLevels(samples);
  return {
    buffer,
    loop: note.loop?.map((sample) => sample / RATE) ?? null,
    release: Math.min(note.release, note.samples) / RATE,
    gain: note.gain,
    correction: phase?.correction ?? 1,
    period: phase ? phase.period / RATE : null,
    shift: phase ? phase.peak / RATE : 0,
    harmonics: phase?.harmonics ?? [],
    loudness: note.gain * rms(samples.subarray(first, end)),
    level: (seconds) => {
      const frame = Math.floor((seconds * RATE) / FRAME_SAMPLES);
      return levels[Math.min(Math.max(frame, 0), levels.length - 1)];
    },
  };
}

function phaseOf(samples, first, end, note) {
  const hz = 440 * 2 ** ((note.pitch - 69) / 12);
  const phase = findPhase(samples, first, end, hz, RATE);
  if (!phase) return null;
  const correction = (hz * phase.period) / RATE;
  const cents = Math.abs(1200 * Math.log2(correction));
  return cents <= LARGEST_CORRECTION_CENTS ? { ...phase, correction } : null;
}

function frameLevels(samples) {
  const levels = [];
  for (let first = 0; first < samples.length; first += FRAME_SAMPLES) {
    levels.push(rms(samples.subarray(first, first + FRAME_SAMPLES)));
  }
  return levels;
}

function rms(samples) {
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}
