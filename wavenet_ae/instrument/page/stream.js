// The live sound's way here: messages to the server, its chunks into the ring, credit for more.

const FEWEST_CHUNKS = 3; // in the ring and on the way: see docs/instrument.md
const MOST_CHUNKS = 10;
const CALM_MS = 10_000; // without a gap, after which a chunk fewer is tried
const AGAIN_MS = 1000; // between attempts to reach the server
const MOST_LATENCIES = 50;

/**
 * Sends `change` when what is shown changes: `status` ("connecting", "open", "lost", "taken"),
 * `voices`, `factor` (how many times as fast as real time) and `underruns`, gaps in what sounds;
 * `chunk` with samples.
 */
export class Stream extends EventTarget {
  /** @param live `{server, hop, takenOver}`, as the server describes itself */
  constructor(live) {
    super();
    this.live = live;
    this.status = "connecting";
    this.voices = 0;
    this.factor = null;
    this.underruns = 0;
    this.counted = 0; // by the ring, also in silence
    this.changed = 0; // when the target was
    this.target = FEWEST_CHUNKS;
    this.pushed = 0; // samples
    this.consumed = 0;
    this.owed = 0; // chunks
    this.latencies = []; // from message to ring, in seconds
    this.getState = () => []; // gives what to send at first
    this.connect();
  }

  connect() {
    const address = new URL("live", location.href);
    address.protocol = "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    Object.assign(this, { socket, owed: 0, sent: 0, played: 0, waiting: [] });
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      if (typeof data === "string") this.hear(JSON.parse(data));
      else this.push(new Float32Array(data));
    };
    socket.onclose = ({ code }) => {
      if (socket === this.socket) this.lose(code);
    };
  }

  /** Plays here again what another tab has taken: one connection for all keys of a chord. */
  takeBack() {
    if (this.status !== "taken") return;
    this.change({ status: "connecting" });
    this.connect();
  }

  /** @param node of the ring */
  attach(node) {
    this.ring = node.port;
    this.ring.onmessage = ({ data }) => this.account(data);
    this.ring.postMessage({ start: this.wanted, ended: this.status !== "open" });
    this.ask();
  }

  /** Sends a message, if it can be heard. */
  send(message) {
    if (this.status !== "open") return;
    this.socket.send(JSON.stringify(message));
    this.sent += 1;
    if (message.type === "on") this.waiting.push({ number: this.sent, time: performance.now() });
  }

  hear(message) {
    switch (message.type) {
      case "ready":
        if (message.server !== this.live.server) location.reload();
        this.change({ status: "open", voices: 0 });
        this.ring?.postMessage({ ended: false });
        for (const event of this.getState()) this.send(event);
        this.ask();
        break;
      case "state":
        this.played = message.played;
        this.change({ voices: message.voices.length, factor: message.factor });
        break;
      case "ignored":
        console.warn(message.reason);
    }
  }

  push(samples) {
    this.owed -= 1;
    this.dispatchEvent(new CustomEvent("chunk", { detail: samples }));
    const { length } = samples;
    this.ring.postMessage({ samples }, [samples.buffer]);
    const ahead = this.level / this.live.rate;
    this.pushed += length;
    const now = performance.now();
    while (this.waiting.length && this.waiting[0].number <= this.played) {
      const seconds = (now - this.waiting.shift().time) / 1000;
      this.latencies.push({ toRing: seconds, inRing: ahead });
      if (this.latencies.length > MOST_LATENCIES) this.latencies.shift();
    }
  }

  /** Samples in the ring, as far as it has told. */
  get level() {
    return this.pushed - this.consumed;
  }

  get wanted() {
    return this.target * this.live.hop;
  }

  account({ consumed, underruns }) {
    this.consumed = consumed;
    const gaps = underruns - this.counted;
    this.counted = underruns;
    if (gaps) this.aim(Math.min(this.target + 1, MOST_CHUNKS));
    else if (this.target > FEWEST_CHUNKS && performance.now() - this.changed > CALM_MS) {
      this.aim(this.target - 1);
    }
    if (gaps && this.voices) {
      this.change({ underruns: this.underruns + gaps });
      this.send({ type: "underruns", count: this.underruns });
    }
    this.ask();
  }

  /** Sets how many chunks are to be in the ring and on the way. */
  aim(target) {
    this.target = target;
    this.changed = performance.now();
    this.ring.postMessage({ start: this.wanted });
  }

  /** Gives credit for as many chunks as there is room for. */
  ask() {
    if (!this.ring || this.status !== "open") return;
    const chunks = this.target - this.owed - Math.ceil(this.level / this.live.hop);
    if (chunks <= 0) return;
    this.owed += chunks;
    this.send({ type: "credit", chunks });
  }

  lose(code) {
    const taken = code === this.live.takenOver;
    this.change({ status: taken ? "taken" : "lost", voices: 0 });
    this.ring?.postMessage({ ended: true });
    if (!taken) setTimeout(() => this.connect(), AGAIN_MS);
  }

  change(values) {
    Object.assign(this, values);
    this.dispatchEvent(new Event("change"));
  }
}
