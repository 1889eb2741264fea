// Recording on the page: start, stop, and the two files.

import { fileName, save } from "page/files.js";
import { midiFile } from "page/midi_file.js";
import { wavFile } from "page/wav.js";

export class RecordPanel {
  /** @param elements record, saveWav, saveMidi, recorded */
  constructor(player, elements, say) {
    Object.assign(this, { player, say, ...elements });
    this.record.addEventListener("click", () => (player.recorder ? this.stop() : this.start()));
    this.saveWav.addEventListener("click", () => this.writeWav());
    this.saveMidi.addEventListener("click", () => this.writeMidi());
  }

  start() {
    this.player.record();
    this.show(true);
    this.say("Recording");
  }

  stop() {
    this.recording = this.player.stopRecording();
    this.show(false);
    this.recorded.textContent = `${this.recording.seconds.toFixed(1)} s`;
    this.saveWav.disabled = false;
    this.saveMidi.disabled = false;
    this.say("Recorded");
  }

  show(running) {
    this.record.setAttribute("aria-pressed", running);
    this.record.textContent = running ? "Stop" : "Record";
  }

  /** Shows how long it has been recorded, and ends what becomes too long. */
  tick() {
    const { recorder } = this.player;
    if (!recorder) return;
    const now = this.player.now();
    this.recorded.textContent = `${Math.max(0, now - recorder.begin).toFixed(1)} s`;
    if (recorder.isFull(now)) this.stop();
  }

  async writeWav() {
    this.saveWav.disabled = true;
    this.say("Rendering");
    try {
      const { samples, rate } = await this.player.render(this.recording);
      const name = fileName(this.player.instrument.name, "recording.wav");
      save(name, wavFile(samples, rate), "audio/wav");
      this.say("Saved the recording");
    } catch (error) {
      this.say(`The recording cannot be rendered: ${error.message}`);
    }
    this.saveWav.disabled = false;
  }

  writeMidi() {
    const { events, state } = this.recording;
    const file = midiFile(events, state.settings.octave);
    save(fileName(this.player.instrument.name, "recording.mid"), file, "audio/midi");
    this.say("Saved the notes");
  }
}
