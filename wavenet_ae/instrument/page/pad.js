// The pad: a place between the sounds, with the rendered cells.

const STEP = 0.02;
const LARGE_STEP = 0.1;

export class Pad {
  /**
   * @param onMove called with x and y, 0 to 1
   * @param onBegin called before a movement
   */
  constructor(instrument, elements, { onMove, onBegin }) {
    Object.assign(this, { instrument, onMove, onBegin, ...elements });
    this.pointer = null;
    this.pad.addEventListener("pointerdown", (event) => this.press(event));
    this.pad.addEventListener("pointermove", (event) => this.drag(event));
    for (const type of ["pointerup", "pointercancel"]) {
      this.pad.addEventListener(type, (event) => {
        if (event.pointerId === this.pointer) this.pointer = null;
      });
    }
    this.pad.addEventListener("keydown", (event) => this.step(event));
  }

  press(event) {
    if (event.button !== 0 || this.pointer !== null) return;
    this.pointer = event.pointerId;
    this.pad.setPointerCapture(event.pointerId);
    this.onBegin();
    this.drag(event);
  }

  drag(event) {
    if (event.pointerId !== this.pointer) return;
    const { left, top, width, height } = this.field.getBoundingClientRect();
    this.go((event.clientX - left) / width, (event.clientY - top) / height);
  }

  step(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const size = event.shiftKey ? LARGE_STEP : STEP;
    const { x, y } = this.state;
    const target = {
      ArrowLeft: [x - size, y],
      ArrowRight: [x + size, y],
      ArrowUp: [x, y - size],
      ArrowDown: [x, y + size],
      Home: [0, y],
      End: [1, y],
      PageUp: [x, 0],
      PageDown: [x, 1],
    }[event.key];
    if (!target) return;
    event.preventDefault();
    if (!event.repeat) this.onBegin();
    this.go(...target);
  }

  go(x, y) {
    const inside = (value) => Math.min(Math.max(value, 0), 1);
    this.onMove(inside(x), this.instrument.isLine(this.state.square) ? this.state.y : inside(y));
  }

  /** Shows a state. */
  show(state) {
    const { square } = state;
    if (square !== this.state?.square) this.drawCells(square);
    this.state = state;
    const y = this.instrument.isLine(square) ? 0.5 : state.y;
    place(this.cursor, state.x, y);
    const weights = this.instrument.weightsAt(square, state.x, state.y);
    for (const [dot, cell] of this.dots) {
      dot.style.setProperty("--weight", (weights.get(cell) ?? 0).toFixed(3));
    }
    const mix = this.instrument
      .mixAt(square, state.x, state.y)
      .map(([name, share]) => `${name} ${Math.round(100 * share)}\u00a0%`)
      .join(", ");
    this.mix.textContent = mix;
    this.pad.setAttribute("aria-valuenow", Math.round(100 * state.x));
    this.pad.setAttribute("aria-valuetext", mix);
  }

  drawCells(square) {
    for (const [dot] of this.dots ?? []) dot.remove();
    this.pad.classList.toggle("line", this.instrument.isLine(square));
    const rows = this.instrument.squares[square].cells;
    this.dots = rows.flatMap((row, i) =>
      row.map((cell, j) => {
        const dot = document.createElement("div");
        dot.className = "cell";
        const y = rows.length > 1 ? i / (rows.length - 1) : 0.5;
        place(dot, row.length > 1 ? j / (row.length - 1) : 0.5, y);
        this.field.insertBefore(dot, this.cursor);
        return [dot, cell];
      }),
    );
  }
}

function place(element, x, y) {
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
}
