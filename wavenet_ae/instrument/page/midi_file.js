// Events to a Standard MIDI File.

import { BEND_CENTS, X_CONTROLLER, Y_CONTROLLER } from "page/midi.js";

const TICKS_PER_QUARTER = 480;
const QUARTERS_PER_SECOND = 2; // 120 a minute
const PEDAL_CONTROLLER = 64;

/**
 * Writes what was played as a MIDI file of one track, on channel 1.
 *
 * @param events of a recording, by time: see synth.js, with `time` in seconds
 * @param octave that the keys are shifted by at the start
 * @returns {Uint8Array}
 */
export function midiFile(events, octave) {
  const track = [0, 0xff, 0x51, 3, ...bigEndian(1e6 / QUARTERS_PER_SECOND, 3)];
  let shift = 12 * octave;
  let written = 0;
  const sounding = new Map(); // key that was pressed: key that sounds
  for (const event of events) {
    if (event.type === "set") shift = 12 * (event.settings.octave ?? shift / 12);
    const tick = Math.round(event.time * TICKS_PER_QUARTER * QUARTERS_PER_SECOND);
    for (const message of messages(event, shift, sounding)) {
      track.push(...variableLength(tick - written), ...message);
      written = tick;
    }
  }
  track.push(0, 0xff, 0x2f, 0);
  return Uint8Array.from([
    ...text("MThd"),
    ...bigEndian(6, 4),
    ...[0, 0, 0, 1], // format 0, one track
    ...bigEndian(TICKS_PER_QUARTER, 2),
    ...text("MTrk"),
    ...bigEndian(track.length, 4),
    ...track,
  ]);
}

function messages(event, shift, sounding) {
  switch (event.type) {
    case "on":
      return noteOn(event, shift, sounding);
    case "off":
      return noteOff(event.key, sounding);
    case "pedal":
      return [[0xb0, PEDAL_CONTROLLER, event.down ? 127 : 0]];
    case "bend": {
      const value = Math.min(
        Math.max(8192 + Math.round((8192 * event.cents) / BEND_CENTS), 0),
        16383,
      );
      return [[0xe0, value & 127, value >> 7]];
    }
    case "move":
      return [
        [0xb0, X_CONTROLLER, Math.round(127 * event.x)],
        [0xb0, Y_CONTROLLER, Math.round(127 * (1 - event.y))],
      ];
    case "allOff":
    case "panic":
      return [...sounding.keys()].flatMap((key) => noteOff(key, sounding));
    default:
      return [];
  }
}

function noteOn({ key, velocity }, shift, sounding) {
  const before = noteOff(key, sounding);
  const sounds = key + shift;
  if (sounds < 0 || sounds > 127 || !velocity) return before;
  sounding.set(key, sounds);
  return [...before, [0x90, sounds, velocity]];
}

function noteOff(key, sounding) {
  const sounds = sounding.get(key);
  sounding.delete(key);
  return sounds === undefined ? [] : [[0x80, sounds, 64]];
}

function text(letters) {
  return new TextEncoder().encode(letters);
}

function bigEndian(value, length) {
  return Array.from({ length }, (_, index) => (value >> (8 * (length - 1 - index))) & 255);
}

/** Seven bits a byte, the highest first; all but the last have their top bit set. */
function variableLength(value) {
  const bytes = [value & 127];
  for (let rest = value >> 7; rest > 0; rest >>= 7) bytes.unshift((rest & 127) | 128);
  return bytes;
}
