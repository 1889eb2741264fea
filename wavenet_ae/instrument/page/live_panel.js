// What the page says of a live stream: numbers, and what to do where there is no sound or gaps.

const MANY_UNDERRUNS = 3;

export class LivePanel {
  /** @param elements realTime, underruns, notice */
  constructor(player, elements) {
    Object.assign(this, { player, ...elements });
    document.body.classList.add("live");
    player.addEventListener("stream", () => this.show());
    this.show();
  }

  show() {
    const { factor, underruns } = this.player.stream;
    this.realTime.textContent = factor === null ? "–" : `${factor.toFixed(1)}×`;
    this.underruns.textContent = underruns;
    const notice = this.explain();
    if (notice !== this.notice.textContent) this.notice.textContent = notice;
    this.notice.hidden = !notice;
  }

  explain() {
    const { stream, live } = this.player;
    if (stream.status === "lost") {
      return "The server cannot be reached: start wavenet-ae play --live again.";
    }
    if (stream.status === "taken") {
      return "Another tab plays this instrument: press a key to play it here again.";
    }
    if (stream.underruns >= MANY_UNDERRUNS) {
      return `There were ${stream.underruns} gaps: the machine was too slow. ${live.offer}`;
    }
    return live.tooSlow ?? "";
  }
}
