// Keys to press: on the screen by mouse, touch and keyboard, and the computer's own.

const WHITE_KEYS = [0, 2, 4, 5, 7, 9, 11];
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const MIDDLE_C = 60;
const LOWEST_WIDE = 48; // of a keyboard that shows two octaves or more
const WIDE_WHITES = 15;
const MOST_WHITES = 22;
const FEWEST_WHITES = 8;
const WHITE_KEY_PX = 44;
const SOFTEST = 45; // at the upper end of a key; at its lower end 127
const TYPED_VELOCITY = 100;
const CLICKED_MS = 400; // how long a key sounds that is neither pressed nor lifted

/** From C upwards, where an American keyboard has A W S E D. */
const CODES = [..."AWSEDFTGYHUJKOLP"].map((letter) => `Key${letter}`);
CODES.push("Semicolon", "Quote");

export function noteName(key) {
  return `${NAMES[key % 12]}${Math.floor(key / 12) - 1}`;
}

/** The piano keys on the screen. */
export class ScreenKeyboard {
  /** @param play called with events, see synth.js */
  constructor(element, play) {
    Object.assign(this, { element, play });
    this.pointers = new Map(); // pointer: the key that it holds
    this.clicked = new Map(); // key: the timer of its end
    this.octave = 0;
    this.focused = MIDDLE_C;
    this.down = new Set();
    new ResizeObserver(() => this.fit()).observe(element);
    this.fit();
    element.addEventListener("pointerdown", (event) => this.press(event));
    element.addEventListener("pointermove", (event) => this.slide(event));
    for (const type of ["pointerup", "pointercancel"]) {
      element.addEventListener(type, (event) => this.lift(event));
    }
    element.addEventListener("click", (event) => this.click(event));
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("keydown", (event) => this.keyDown(event));
    element.addEventListener("keyup", (event) => this.keyUp(event));
    element.addEventListener("focusout", () => this.letGo());
    onLeaving(() => this.lose());
  }

  fit() {
    const fitting = Math.floor(this.element.clientWidth / WHITE_KEY_PX);
    const whites = Math.min(Math.max(fitting, FEWEST_WHITES), MOST_WHITES);
    if (whites !== this.whites) this.draw(whites);
  }

  draw(whites) {
    this.whites = whites;
    const lowest = whites >= WIDE_WHITES ? LOWEST_WIDE : MIDDLE_C;
    this.keys = new Map();
    let white = 0;
    for (let key = lowest; white < whites; key++) {
      this.keys.set(key, this.button(key, white, whites));
      if (isWhite(key)) white++;
    }
    this.focused = Math.min(Math.max(this.focused, lowest), [...this.keys.keys()].at(-1));
    this.element.replaceChildren(...this.keys.values());
    this.label();
    for (const [key, button] of this.keys) {
      button.tabIndex = key === this.focused ? 0 : -1;
      button.classList.toggle("down", this.down.has(key));
    }
  }

  button(key, whitesBefore, whites) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = key;
    // No aria-pressed: that would be a switch, which stays as it is left.
    button.setAttribute("aria-roledescription", "piano key");
    button.className = `key ${isWhite(key) ? "white" : "black"}`;
    if (!isWhite(key)) {
      button.style.left = `${(100 * whitesBefore) / whites}%`;
      button.style.width = `${60 / whites}%`;
    }
    return button;
  }

  /** Names the keys by what they sound as. */
  label() {
    for (const [key, button] of this.keys) {
      const name = noteName(Math.max(0, key + 12 * this.octave));
      button.setAttribute("aria-label", name.replace("♯", " sharp "));
      button.replaceChildren(span("letter", letterOf(key)), span("", key % 12 === 0 ? name : ""));
    }
  }

  showOctave(octave) {
    if (octave === this.octave) return;
    this.octave = octave;
    this.label();
  }

  /** Shows a key as pressed or not, whatever has pressed it. */
  show(event) {
    if (event.type === "on") this.down.add(event.key);
    else if (event.type === "off") this.down.delete(event.key);
    else if (event.type === "allOff" || event.type === "panic") this.down.clear();
    else return;
    for (const [key, button] of this.keys) button.classList.toggle("down", this.down.has(key));
  }

  keyAt(event) {
    const found = document.elementFromPoint(event.clientX, event.clientY)?.closest(".key");
    if (!found || !this.element.contains(found)) return null;
    const { top, height } = found.getBoundingClientRect();
    const depth = Math.min(Math.max((event.clientY - top) / height, 0), 1);
    const velocity = Math.round(SOFTEST + (127 - SOFTEST) * depth);
    return { key: Number(found.dataset.key), velocity };
  }

  press(event) {
    const at = this.keyAt(event);
    if (!at || event.button !== 0) return;
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, at.key);
    this.play({ type: "on", ...at });
  }

  slide(event) {
    const held = this.pointers.get(event.pointerId);
    const at = held === undefined ? null : this.keyAt(event);
    if (!at || at.key === held) return;
    this.play({ type: "off", key: held });
    this.pointers.set(event.pointerId, at.key);
    this.play({ type: "on", ...at });
  }

  lift(event) {
    const held = this.pointers.get(event.pointerId);
    if (held === undefined) return;
    this.pointers.delete(event.pointerId);
    this.play({ type: "off", key: held });
  }

  /** A screen reader clicks without a pointer: the note ends by itself. */
  click(event) {
    const found = event.target.closest(".key");
    if (event.detail !== 0 || !found) return;
    const key = Number(found.dataset.key);
    this.play({ type: "on", key, velocity: TYPED_VELOCITY });
    clearTimeout(this.clicked.get(key));
    const end = () => this.play({ type: "off", key });
    this.clicked.set(key, setTimeout(end, CLICKED_MS));
  }

  keyDown(event) {
    const key = Number(event.target.dataset.key);
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      if (event.repeat || this.typed !== undefined) return;
      this.typed = key;
      this.play({ type: "on", key, velocity: TYPED_VELOCITY });
    }
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.keys.has(key + step)) return;
    event.preventDefault();
    this.keys.get(key).tabIndex = -1;
    this.focused = key + step;
    this.keys.get(this.focused).tabIndex = 0;
    this.keys.get(this.focused).focus();
  }

  keyUp(event) {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    this.letGo();
  }

  letGo() {
    if (this.typed !== undefined) this.play({ type: "off", key: this.typed });
    this.typed = undefined;
  }

  lose() {
    this.letGo();
    for (const key of this.pointers.values()) this.play({ type: "off", key });
    this.pointers.clear();
  }
}

/** The computer's own keys. */
export class TypingKeyboard {
  /**
   * @param play called with events, see synth.js
   * @param shiftOctave called with -1 or 1
   * @param isOn tells whether letters are to play notes
   */
  constructor(play, shiftOctave, isOn) {
    Object.assign(this, { play, shiftOctave, isOn });
    this.down = new Map(); // code: key
    window.addEventListener("keydown", (event) => this.keyDown(event));
    window.addEventListener("keyup", (event) => this.keyUp(event));
    onLeaving(() => this.lose());
  }

  keyDown(event) {
    if (event.code === "Escape") this.silence();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.isOn() || isTyping(event.target)) return;
    const octaves = { KeyZ: -1, KeyX: 1 }[event.code];
    const index = CODES.indexOf(event.code);
    if (!octaves && index < 0) return;
    // A select would go to what begins with the letter, and Firefox would search the page for it.
    event.preventDefault();
    if (event.repeat || this.down.has(event.code)) return;
    if (octaves) {
      this.shiftOctave(octaves);
      return;
    }
    this.down.set(event.code, MIDDLE_C + index);
    this.play({ type: "on", key: MIDDLE_C + index, velocity: TYPED_VELOCITY });
  }

  keyUp(event) {
    const key = this.down.get(event.code);
    if (key === undefined) return;
    this.down.delete(event.code);
    this.play({ type: "off", key });
  }

  silence() {
    this.down.clear();
    this.play({ type: "panic" });
  }

  lose() {
    for (const key of this.down.values()) this.play({ type: "off", key });
    this.down.clear();
  }
}

/**
 * Calls back when another window or tab gets keyboard and mouse, whose releases then do not arrive
 * here. MIDI goes on.
 */
function onLeaving(lose) {
  window.addEventListener("blur", lose);
  document.addEventListener("visibilitychange", () => document.hidden && lose());
}

/** What is printed on the computer's key for it, on most keyboards. */
function letterOf(key) {
  const code = CODES[key - MIDDLE_C] ?? "";
  return { Semicolon: ";", Quote: "'" }[code] ?? code.replace("Key", "");
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function isWhite(key) {
  return WHITE_KEYS.includes(((key % 12) + 12) % 12);
}

function isTyping(element) {
  return element.tagName === "INPUT" && ["text", "number"].includes(element.type);
}
