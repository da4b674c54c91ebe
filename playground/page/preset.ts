/** @file A cell to start from. */

export interface Preset {
  /** The cell's own name. */
  readonly name: string;
  /** A sentence: what it is, and the paper. */
  readonly about: string;
  readonly source: string;
}
