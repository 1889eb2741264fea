// Patches on the page: choose, save, delete, share, random, undo.

import { fileName, save } from "page/files.js";
import * as patches from "page/patches.js";

export class PatchPanel {
  /**
   * @param elements patches, name, form, remove, random, undo, share, toFile, fromFile
   * @param getState gives the present state
   * @param apply called with a state to go to
   * @param say shows a message
   */
  constructor(instrument, elements, { getState, apply, say }) {
    Object.assign(this, { instrument, getState, apply, say, ...elements });
    this.own = new patches.OwnPatches(instrument, localStorageOrNone());
    this.history = new patches.History();
    this.fill();
    this.patches.addEventListener("change", () => this.choose());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.savePatch(this.name.value.trim());
    });
    this.remove.addEventListener("click", () => this.removePatch());
    this.random.addEventListener("click", () => this.goRandom());
    this.undo.addEventListener("click", () => this.goBack());
    this.share.addEventListener("click", () => this.shareLink());
    this.toFile.addEventListener("click", () => this.writeFile());
    this.fromFile.addEventListener("change", () => this.readFile());
    window.addEventListener("hashchange", () => this.readAddress());
    window.addEventListener("storage", ({ key }) => this.follow(key));
  }

  fill(selected = "") {
    const group = (label, named, kind) => {
      const element = document.createElement("optgroup");
      element.label = label;
      for (const { name } of named) element.append(new Option(name, `${kind}:${name}`));
      return element;
    };
    const groups = [group("Come with it", patches.FACTORY, "factory")];
    if (this.own.patches.length) groups.unshift(group("Own", this.own.patches, "own"));
    this.patches.replaceChildren(new Option("Choose …", ""), ...groups);
    this.patches.value = selected;
    if (this.patches.selectedIndex < 0) this.patches.value = "";
    this.remove.disabled = !this.patches.value.startsWith("own:");
  }

  /** Shows what another tab has changed; a key of null is all that the browser keeps. */
  follow(key) {
    if (key !== null && key !== this.own.key) return;
    this.own.refresh();
    this.fill(this.patches.value);
  }

  /** Keeps the present state, to come back to it. */
  remember() {
    this.history.push(this.getState());
    this.undo.disabled = false;
  }

  choose() {
    const [, kind, name] = /^(\w*):?(.*)$/s.exec(this.patches.value);
    const from = kind === "own" ? this.own.patches : patches.FACTORY;
    const patch = from.find((one) => one.name === name);
    this.remove.disabled = kind !== "own";
    if (patch) this.load(patch);
  }

  load(patch) {
    this.remember();
    this.apply(patches.stateOf(this.instrument, patch, this.getState().square));
    this.name.value = patch.name ?? "";
    this.say(`Patch ${patch.name ?? ""}`);
  }

  savePatch(name) {
    if (!name) return;
    const kept = this.own.add(patches.patchOf(this.instrument, this.getState(), name));
    this.fill(`own:${name}`);
    this.say(
      kept ? `Saved ${name}` : `${name} is kept until the page is closed: save it to a file.`,
    );
  }

  removePatch() {
    const name = this.patches.value.replace(/^own:/, "");
    this.own.remove(name);
    this.fill();
    this.say(`Deleted ${name}`);
    this.patches.focus();
  }

  goRandom() {
    this.remember();
    const { settings } = this.getState();
    const state = patches.randomState(this.instrument);
    const { volume, voices } = settings; // are of the player's room, not of the sound
    this.apply({ ...state, settings: { ...state.settings, volume, voices } });
    this.say("Random");
  }

  goBack() {
    const state = this.history.pop();
    if (state) this.apply(state);
    this.undo.disabled = !this.history.states.length;
    this.say("Undone");
    if (this.undo.disabled) this.random.focus();
  }

  async shareLink() {
    const name = this.name.value.trim() || "Shared";
    const hash = patches.toHash(patches.patchOf(this.instrument, this.getState(), name));
    // Unlike a new location.hash, this is no hashchange, which would load the patch.
    if (location.hash !== hash) history.pushState(null, "", hash);
    try {
      await navigator.clipboard.writeText(location.href);
      this.say("The link is copied");
    } catch {
      this.say("The address of the page is the link: copy it from there");
    }
  }

  /** Goes to the patch in the page's address, if there is one. */
  readAddress() {
    const patch = patches.fromHash(location.hash);
    if (patch) this.load(patch);
  }

  writeFile() {
    const current = patches.patchOf(this.instrument, this.getState(), this.name.value || "Current");
    const others = this.own.patches.filter(({ name }) => name !== current.name);
    const text = patches.toFile([current, ...others]);
    save(fileName(this.instrument.name, "patches.json"), text, "application/json");
  }

  async readFile() {
    const [file] = this.fromFile.files;
    this.fromFile.value = "";
    if (!file) return;
    try {
      const read = patches.fromFile(await file.text());
      this.own.add(...read);
      if (read.length) this.load(read[0]);
      this.fill(read.length ? `own:${read[0].name}` : "");
      this.say(`Loaded ${read.length} from ${file.name}`);
    } catch (error) {
      this.say(error.message);
    }
  }
}

/** The browser's storage; where it is forbidden, one that forgets. */
function localStorageOrNone() {
  try {
    return window.localStorage;
  } catch {
    return { getItem: () => null, setItem: () => fail() };
  }
}

function fail() {
  throw new Error("Nothing can be kept.");
}
