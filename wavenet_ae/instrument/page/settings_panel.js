// Sliders and switches of the sound.

import { LIMITS, MOST_OCTAVES, SLIDERS, clamp, number, shown } from "page/settings.js";

const STEPS = 1000;

export class SettingsPanel {
  /**
   * @param elements sliders, loop, octave, octaveDown, octaveUp, mostVoices
   * @param onSet called with changed settings
   * @param onBegin called before a change
   */
  constructor(elements, { onSet, onBegin }) {
    Object.assign(this, { onSet, onBegin, ...elements });
    this.inputs = new Map(Object.keys(SLIDERS).map((name) => [name, this.slider(name)]));
    this.loop.addEventListener("change", () => this.change({ loop: this.loop.checked }));
    this.octaveDown.addEventListener("click", () => this.shiftOctave(-1));
    this.octaveUp.addEventListener("click", () => this.shiftOctave(1));
    this.mostVoices.addEventListener("change", () => this.setVoices());
  }

  slider(name) {
    const label = document.createElement("label");
    label.className = "slider";
    label.htmlFor = name; // else it would be the output's
    const value = document.createElement("output");
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: 0, max: STEPS, id: name });
    const text = document.createElement("span");
    text.textContent = SLIDERS[name].label;
    label.append(text, value, input);
    this.sliders.append(label);
    let moving = false;
    input.addEventListener("input", () => {
      if (!moving) this.onBegin();
      moving = true;
      this.onSet({ [name]: fromSlider(name, Number(input.value)) });
    });
    input.addEventListener("change", () => {
      moving = false;
    });
    return { input, value };
  }

  change(settings) {
    this.onBegin();
    this.onSet(settings);
  }

  shiftOctave(by) {
    const octave = clamp(this.settings.octave + by, -MOST_OCTAVES, MOST_OCTAVES);
    if (octave !== this.settings.octave) this.change({ octave });
  }

  setVoices() {
    const { min, max } = LIMITS.voices;
    const given = number(this.mostVoices.value, this.settings.voices);
    const voices = Math.round(clamp(given, min, max));
    this.mostVoices.value = voices;
    this.change({ voices });
  }

  show(settings) {
    this.settings = settings;
    for (const [name, { input, value }] of this.inputs) {
      input.value = toSlider(name, settings[name]);
      value.textContent = shown(name, settings[name]);
      input.setAttribute("aria-valuetext", value.textContent);
    }
    this.loop.checked = settings.loop;
    this.octave.textContent = settings.octave > 0 ? `+${settings.octave}` : settings.octave;
    this.mostVoices.value = settings.voices;
  }
}

function fromSlider(name, step) {
  const { min, max, power } = SLIDERS[name];
  return min + (max - min) * (step / STEPS) ** power;
}

function toSlider(name, value) {
  const { min, max, power } = SLIDERS[name];
  return Math.round(STEPS * ((value - min) / (max - min)) ** (1 / power));
}
