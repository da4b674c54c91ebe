/**
 * @file Indices and addresses as sums: integers times locals, plus a constant, modulo 2^32. Facts about a sum (its
 * constant part, its alignment, the block in which it is known) decide how memory is read, so they are recorded instead
 * of being derived from code.
 */

/** A local of a function that does not change while it is in scope. */
export interface Atom {
  readonly name: string;
  /** The block in which it is set; the outermost is 0. */
  readonly depth: number;
  /** A power of two that divides its value. */
  readonly alignment: number;
}

export interface Sum {
  readonly terms: ReadonlyMap<Atom, number>;
  readonly constant: number;
}

export const zero: Sum = { terms: new Map(), constant: 0 };

export function constantSum(value: number): Sum {
  return { terms: zero.terms, constant: value | 0 };
}

export function atomSum(atom: Atom): Sum {
  return { terms: new Map([[atom, 1]]), constant: 0 };
}

export function addSums(a: Sum, b: Sum, times = 1): Sum {
  const terms = new Map(a.terms);
  for (const [atom, factor] of b.terms) {
    const total = ((terms.get(atom) ?? 0) + Math.imul(factor, times)) | 0;
    if (total === 0) terms.delete(atom);
    else terms.set(atom, total);
  }
  return { terms, constant: (a.constant + Math.imul(b.constant, times)) | 0 };
}

export function scaleSum(sum: Sum, times: number): Sum {
  return addSums(zero, sum, times);
}

/** The value of a constant sum; undefined for others. */
export function numberOf({ terms, constant }: Sum): number | undefined {
  return terms.size === 0 ? constant >>> 0 : undefined;
}

/**
 * The alignment of a number or sum is the largest power of two that divides it, at most this. Wrapping modulo 2^32
 * preserves alignments.
 */
export const mostAlignment = 1024;

export function alignmentOf(value: number): number {
  const lowest = value & -value;
  return lowest <= 0 ? mostAlignment : Math.min(mostAlignment, lowest);
}

export function sumAlignment({ terms, constant }: Sum): number {
  let least = alignmentOf(constant);
  for (const [{ alignment }, factor] of terms)
    least = Math.min(least, Math.min(mostAlignment, alignment * alignmentOf(factor)));
  return least;
}

/** Groups terms by the block in which their atoms are known, outermost first. */
export function termsByDepth({
  terms,
}: Sum): (readonly [depth: number, terms: readonly (readonly [Atom, number])[]])[] {
  const byDepth = new Map<number, (readonly [Atom, number])[]>();
  for (const term of terms) {
    const { depth } = term[0];
    const here = byDepth.get(depth);
    if (here === undefined) byDepth.set(depth, [term]);
    else here.push(term);
  }
  return [...byDepth].sort(([a], [b]) => a - b);
}
