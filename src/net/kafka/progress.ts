/** Messages that were passed on together, until all of their flows are settled. */
export interface Piece {
  /** Offset after its last message. */
  readonly end: number;
  isSettled: boolean;
}

/**
 * How far a partition has been read and settled. Pieces may settle in any order; an offset is
 * committed only when all pieces before it are settled.
 */
export class PartitionProgress {
  /** In the order of reading, from the first that is not settled. */
  readonly #open: Piece[] = [];
  #settledTo: number | undefined;
  #committedTo: number | undefined;

  /** Begins a piece that ends before the offset `end`. */
  begin(end: number): Piece {
    const piece: Piece = { end, isSettled: false };
    this.#open.push(piece);
    return piece;
  }

  settle(piece: Piece): void {
    piece.isSettled = true;
    for (let first = this.#open[0]; first?.isSettled === true; first = this.#open[0]) {
      this.#settledTo = first.end;
      this.#open.shift();
    }
  }

  /** The offset to commit; undefined if there is none or it is committed. */
  get uncommitted(): number | undefined {
    return this.#settledTo === this.#committedTo ? undefined : this.#settledTo;
  }

  committed(offset: number): void {
    this.#committedTo = offset;
  }
}
