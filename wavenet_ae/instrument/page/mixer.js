// A sum whose last bit does not depend on the order in which the browser happens to add.

/** Adds what `{output, endsAt}` give, two at a time: floating-point sums of more depend on order. */
export class Mixer {
  constructor(context, destination) {
    this.context = context;
    this.destination = destination;
    this.slots = [];
  }

  /** Takes the place of something that has ended, or a new one behind all others. */
  add(source, when) {
    let slot = this.slots.find(({ source: earlier }) => earlier.endsAt <= when);
    if (slot) slot.source.output.disconnect();
    else {
      slot = { sum: this.context.createGain() };
      slot.sum.connect(this.slots.at(-1)?.sum ?? this.destination);
      this.slots.push(slot);
    }
    slot.source = source;
    source.output.connect(slot.sum);
  }
}
