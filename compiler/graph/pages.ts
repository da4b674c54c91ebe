/**
 * @file Pages: a value that is larger than a buffer may be is stored in several buffers, each a range of its elements in
 * row-major order. A page ends between two arrays if the value is several of them one after another, such as all parameters;
 * an array that is larger than a page itself is cut between two entries of its first axis.
 */

/** A range of elements of a value. */
export interface Page {
  readonly from: number;
  readonly size: number;
}

/** The shape of a value, or the shapes of the arrays that it is made of, one after another. */
export type Parts = readonly (readonly number[])[];

/**
 * The pages of a value, of at most `most` elements each: a pure function, so that all programs agree on them. undefined if
 * one entry along the first axis has more.
 */
export function pagesOf(parts: Parts, most: number): readonly Page[] | undefined {
  const pages: Page[] = [];
  let [from, size] = [0, 0];
  const end = (): void => {
    if (size > 0) pages.push({ from, size });
    [from, size] = [from + size, 0];
  };
  for (const shape of parts) {
    const total = shape.reduce((product, extent) => product * extent, 1);
    if (size + total > most) end();
    const row = rowSize(shape);
    const rows = row === 0 ? 0 : Math.floor(most / row);
    if (total > most && rows === 0) return undefined;
    let left = total;
    for (; left > most; left -= rows * row) {
      size = rows * row;
      end();
    }
    size += left;
  }
  end();
  return pages;
}

/** The shape of a page: that of the value, but for the entries of its slowest axis; flat if it ends within an entry. */
export function pageShape(shape: readonly number[], size: number): readonly number[] {
  const [axis, row] = [slowestAxis(shape), rowSize(shape)];
  return size % row === 0 ? shape.map((extent, i) => (i === axis ? size / row : extent)) : [size];
}

/** Elements of one entry along the first axis of more than one. */
export function rowSize(shape: readonly number[]): number {
  const slowest = slowestAxis(shape);
  return shape.slice(slowest + 1).reduce((product, extent) => product * extent, 1);
}

/** The first axis with more than one entry; 0 if there is none. */
export function slowestAxis(shape: readonly unknown[]): number {
  return Math.max(
    0,
    shape.findIndex((extent) => extent !== 1),
  );
}
