// Events to a Standard MIDI File.

import { BEND_CENTS, X_CONTROLLER, Y_CONTROLLER } from "page/midi.js";

const TICKS_PER_QUARTER = 480;
const QUARTERS_PER_SECOND = 2; // 120 a minute
const PEDAL_CONTROLLER = 64;
const CENTRED = 8192; // bend

/**
 * Writes what was played as a MIDI file of one track, on channel 1. At its end all keys and the
 * pedal are up, and the bend is centred.
 *
 * @param events of a recording, by time: see synth.js, with `time` in seconds
 * @param octave that the keys are shifted by at the start
 * @returns {Uint8Array}
 */
export function midiFile(events, octave) {
  const track = [0, 0xff, 0x51, 3, ...bigEndian(1e6 / QUARTERS_PER_SECOND, 3)];
  const channel = new Channel(octave);
  let written = 0;
  const write = (tick, messages) => {
    for (const message of messages) {
      track.push(...variableLength(tick - written), ...message);
      written = tick;
    }
  };
  for (const event of events) {
    const tick = Math.round(event.time * TICKS_PER_QUARTER * QUARTERS_PER_SECOND);
    write(tick, channel.messages(event));
  }
  write(written, channel.reset());
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

/** A MIDI channel, and what its messages have set. */
class Channel {
  constructor(octave) {
    this.shift = 12 * octave;
    this.sounding = new Map(); // key that was pressed: key that sounds
    this.pedal = false;
    this.bend = CENTRED;
  }

  /** The messages that an event becomes; see synth.js. */
  messages(event) {
    switch (event.type) {
      case "on":
        return this.on(event);
      case "off":
        return this.off(event.key);
      case "pedal":
        return this.setPedal(event.down);
      case "bend":
        return this.setBend(CENTRED + Math.round((CENTRED * event.cents) / BEND_CENTS));
      case "move":
        return [
          [0xb0, X_CONTROLLER, Math.round(127 * event.x)],
          [0xb0, Y_CONTROLLER, Math.round(127 * (1 - event.y))],
        ];
      case "set":
        this.shift = 12 * (event.settings.octave ?? this.shift / 12);
        return [];
      case "allOff":
        return this.allOff();
      case "panic":
        return this.reset();
      default:
        return [];
    }
  }

  on({ key, velocity }) {
    const before = this.off(key);
    const sounds = key + this.shift;
    if (sounds < 0 || sounds > 127 || !velocity) return before;
    this.sounding.set(key, sounds);
    return [...before, [0x90, sounds, velocity]];
  }

  off(key) {
    const sounds = this.sounding.get(key);
    this.sounding.delete(key);
    return sounds === undefined ? [] : [[0x80, sounds, 64]];
  }

  setPedal(down) {
    this.pedal = down;
    return [[0xb0, PEDAL_CONTROLLER, down ? 127 : 0]];
  }

  setBend(value) {
    this.bend = Math.min(Math.max(value, 0), 2 * CENTRED - 1);
    return [[0xe0, this.bend & 127, this.bend >> 7]];
  }

  allOff() {
    const offs = [...this.sounding.keys()].flatMap((key) => this.off(key));
    return this.pedal ? [...offs, ...this.setPedal(false)] : offs;
  }

  reset() {
    const offs = this.allOff();
    return this.bend === CENTRED ? offs : [...offs, ...this.setBend(CENTRED)];
  }
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
