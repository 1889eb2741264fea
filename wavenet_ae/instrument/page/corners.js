// Which sounds are on the corners: names, or choices where more than one square was rendered.

export class Corners {
  /** @param onChoose called with the index of a square */
  constructor(instrument, elements, onChoose) {
    Object.assign(this, { instrument, onChoose, ...elements });
    instrument.squares.forEach((_, square) => {
      this.squares.add(new Option(instrument.cornerNames(square).join(" · "), square));
    });
    this.squares.parentElement.hidden = instrument.squares.length < 2;
    this.squares.addEventListener("change", () => onChoose(Number(this.squares.value)));
  }

  show(square) {
    if (square === this.shown) return;
    this.shown = square;
    this.squares.value = String(square);
    const names = this.instrument.cornerNames(square);
    const places = this.instrument.isLine(square)
      ? ["left", "right"]
      : ["top left", "top right", "bottom left", "bottom right"];
    const corners = names.map((name, corner) => this.corner(square, corner, name, places[corner]));
    this.top.replaceChildren(...corners.slice(0, 2));
    this.bottom.replaceChildren(...corners.slice(2));
  }

  corner(square, corner, name, where) {
    const element = document.createElement("span");
    element.className = "corner";
    const color = this.instrument.isLine(square) ? 3 * corner : corner;
    element.style.setProperty("--color", `var(--corner-${color})`);
    const choices = this.instrument.choicesAt(square, corner);
    if (choices.length < 2) {
      element.textContent = name;
      return element;
    }
    const select = document.createElement("select");
    select.setAttribute("aria-label", `Sound at the ${where}`);
    for (const choice of choices) select.add(new Option(choice, choice, false, choice === name));
    select.addEventListener("change", () => {
      this.onChoose(this.instrument.squareWith(square, corner, select.value));
      const fresh = [...this.top.children, ...this.bottom.children][corner];
      fresh.querySelector("select")?.focus();
    });
    element.append(select);
    return element;
  }
}
