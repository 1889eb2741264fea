// MIDI messages to events, and the browser's MIDI inputs.

export const X_CONTROLLER = 1;
export const Y_CONTROLLER = 74;
export const BEND_CENTS = 200; // for the wheel's full way, to each side

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL = 0xb0;
const BEND = 0xe0;
const SYSTEM = 0xf0;
const PEDAL = 64;
const SILENCE = 120;
const RESET = 121;
const ALL_OFF = 123;

/**
 * The events that a message of any channel stands for. A key that is pressed with velocity 0 is
 * lifted; clock and other system messages stand for none.
 *
 * @param data bytes of one message
 * @returns a list of events (see synth.js); of a move, with x or y alone
 */
export function eventsOf(data) {
  const [status, first, second] = data;
  if (status === undefined || status < NOTE_OFF || status >= SYSTEM || data.length < 3) return [];
  switch (status & 0xf0) {
    case NOTE_ON:
      return [second ? { type: "on", key: first, velocity: second } : { type: "off", key: first }];
    case NOTE_OFF:
      return [{ type: "off", key: first }];
    case BEND:
      return [{ type: "bend", cents: (BEND_CENTS * (first + 128 * second - 8192)) / 8192 }];
    case CONTROL:
      return control(first, second);
    default:
      return [];
  }
}

function control(number, value) {
  switch (number) {
    case X_CONTROLLER:
      return [{ type: "move", x: value / 127 }];
    case Y_CONTROLLER:
      return [{ type: "move", y: 1 - value / 127 }];
    case PEDAL:
      return [{ type: "pedal", down: value >= 64 }];
    case SILENCE:
      return [{ type: "panic" }];
    case RESET:
      return [
        { type: "pedal", down: false },
        { type: "bend", cents: 0 },
      ];
    default: // 123 and the changes of mode behind it end all notes
      return number >= ALL_OFF ? [{ type: "allOff" }] : [];
  }
}

/** A MIDI input, and what it holds: keys, the pedal and the wheel. */
class Input {
  constructor() {
    this.keys = new Set();
    this.pedal = false;
    this.isBent = false;
  }

  /** Remembers what an event of this input has changed. */
  hear(event) {
    switch (event.type) {
      case "on":
        this.keys.add(event.key);
        break;
      case "off":
        this.keys.delete(event.key);
        break;
      case "pedal":
        this.pedal = event.down;
        break;
      case "bend":
        this.isBent = event.cents !== 0;
        break;
      case "allOff":
      case "panic":
        this.keys.clear();
        this.pedal = false;
    }
  }

  /** The events that let go of what it holds and none of the others does. */
  leave(others) {
    const keys = [...this.keys].filter((key) => !others.some((other) => other.keys.has(key)));
    const events = keys.map((key) => ({ type: "off", key }));
    if (this.pedal && !others.some((other) => other.pedal)) {
      events.push({ type: "pedal", down: false });
    }
    if (this.isBent && !others.some((other) => other.isBent)) {
      events.push({ type: "bend", cents: 0 });
    }
    return events;
  }
}

/**
 * Listens to all MIDI inputs, also to those that are plugged in later. What an input holds when it
 * is unplugged is let go.
 *
 * @param onEvent called with every event
 * @param onChange called with the names of the inputs
 * @throws where the browser has no MIDI, or is not allowed to use it
 */
export async function connect(onEvent, onChange) {
  if (!navigator.requestMIDIAccess) {
    throw new Error("This browser has no Web MIDI: use Chrome, Edge or Firefox.");
  }
  const access = await navigator.requestMIDIAccess();
  const inputs = new Map(); // by port
  const add = (port) => {
    const input = new Input();
    inputs.set(port, input);
    port.onmidimessage = ({ data }) => {
      for (const event of eventsOf(data)) {
        input.hear(event);
        onEvent(event);
      }
    };
  };
  const remove = (port) => {
    const input = inputs.get(port);
    inputs.delete(port);
    for (const event of input.leave([...inputs.values()])) onEvent(event);
  };
  const listen = () => {
    const ports = [...access.inputs.values()].filter((port) => port.state !== "disconnected");
    for (const port of inputs.keys()) if (!ports.includes(port)) remove(port);
    for (const port of ports) if (!inputs.has(port)) add(port);
    onChange(ports.map((port) => port.name ?? "MIDI input"));
  };
  access.onstatechange = listen;
  listen();
}
