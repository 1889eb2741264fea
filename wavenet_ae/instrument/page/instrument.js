// What was rendered: cells between sounds, and a note of every cell at every rendered pitch.

export class Instrument {
  /** @param described the content of instrument.json */
  constructor(described) {
    this.name = described.name;
    this.sounds = described.sounds;
    this.pitches = described.pitches;
    this.squares = described.squares;
    this.cells = described.cells;
    this.notes = described.notes;
    this.byPlace = new Map(described.notes.map((note) => [place(note.cell, note.pitch), note]));
  }

  note(cell, pitch) {
    return this.byPlace.get(place(cell, pitch));
  }

  /** The rendered pitch that a key plays: the nearest, of two as near the higher. */
  pitchFor(key) {
    let best = this.pitches[0];
    for (const pitch of this.pitches) {
      if (Math.abs(pitch - key) <= Math.abs(best - key)) best = pitch;
    }
    return best;
  }

  /**
   * The cells around a position and their bilinear weights, which sum to 1.
   *
   * @param x 0 at the left to 1 at the right
   * @param y 0 at the top to 1 at the bottom; a line has no y
   * @returns Map of cell to weight, without the cells that weigh nothing
   */
  weightsAt(square, x, y) {
    const rows = this.squares[square].cells;
    const weights = new Map();
    for (const [row, vertical] of between(y, rows.length)) {
      for (const [column, horizontal] of between(x, rows[0].length)) {
        const weight = vertical * horizontal;
        const cell = rows[row][column];
        if (weight > 0) weights.set(cell, (weights.get(cell) ?? 0) + weight);
      }
    }
    return weights;
  }

  /** The share of each corner's sound at a position: `[[name, share]]`, largest first. */
  mixAt(square, x, y) {
    const shares = this.sounds.map(() => 0);
    for (const [cell, weight] of this.weightsAt(square, x, y)) {
      this.cells[cell].forEach((share, sound) => {
        shares[sound] += weight * share;
      });
    }
    return shares
      .map((share, sound) => [this.sounds[sound], share])
      .filter(([, share]) => share >= 0.005)
      .sort(([, one], [, other]) => other - one);
  }

  isLine(square) {
    return this.squares[square].cells.length === 1;
  }

  cornerNames(square) {
    return this.squares[square].corners.map((sound) => this.sounds[sound]);
  }

  /** The square with these corners, or -1. */
  squareOf(names) {
    const wanted = JSON.stringify(names);
    return this.squares.findIndex(
      (_, square) => JSON.stringify(this.cornerNames(square)) === wanted,
    );
  }

  /**
   * The square to go to when one corner is to be another sound: of those that have the sound
   * there, the one that keeps most of the other corners.
   */
  squareWith(square, corner, name) {
    const current = this.cornerNames(square);
    let best = -1;
    let most = -1;
    this.squares.forEach((_, candidate) => {
      const names = this.cornerNames(candidate);
      if (names.length !== current.length || names[corner] !== name) return;
      const kept = names.filter((other, index) => other === current[index]).length;
      if (kept > most) [best, most] = [candidate, kept];
    });
    return best;
  }

  /** The sounds that some square of this kind has at a corner. */
  choicesAt(square, corner) {
    const size = this.squares[square].corners.length;
    const names = this.squares
      .map((_, candidate) => this.cornerNames(candidate))
      .filter((corners) => corners.length === size)
      .map((corners) => corners[corner]);
    return this.sounds.filter((name) => names.includes(name));
  }
}

function place(cell, pitch) {
  return `${cell}/${pitch}`;
}

/** The two places around a fraction of `count` places in a row: `[[index, weight]]`. */
function between(fraction, count) {
  if (count === 1) return [[0, 1]];
  const at = Math.min(Math.max(fraction, 0), 1) * (count - 1);
  const first = Math.min(Math.floor(at), count - 2);
  return [
    [first, 1 - (at - first)],
    [first + 1, at - first],
  ];
}
