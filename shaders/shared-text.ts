/**
 * @file The text of a body that several parts share (compiler/kernel/places.ts). It is written once, with gaps for what
 * differs between kernels: the names of buffers and of uniforms.
 */
import type { Statement } from "../compiler/kernel/ir.ts";
import { elementText, type Names } from "./expression.ts";
import { statementLines } from "./statement.ts";

interface GappedText {
  /** Text and the names of gaps in turn. */
  readonly pieces: readonly string[];
  /** What fills each gap in a kernel with some names. */
  readonly gaps: ReadonlyMap<string, (names: Names) => string>;
}

const written = new WeakMap<readonly Statement[], GappedText>();

/** The text of a body, indented, in a kernel with these names. */
export function sharedText(body: readonly Statement[], names: Names): string {
  const { pieces, gaps } = written.get(body) ?? gappedText(body, names);
  const filled = new Map([...gaps].map(([gap, fill]) => [gap, fill(names)]));
  return pieces.map((piece, i) => (i % 2 === 0 ? piece : filled.get(piece))).join("");
}

/**
 * Stands around the name of a gap. Behind the index of an element, or an opaque number, nothing but its bracket follows.
 */
const mark = "\0";

function gappedText(body: readonly Statement[], { barriers, builtin }: Names): GappedText {
  const gaps = new Map<string, (names: Names) => string>();
  const gap = (name: string, fill: (names: Names) => string): string => {
    gaps.set(name, fill);
    return mark + name + mark;
  };
  const gapped: Names = {
    barriers,
    element: (array, index, slot) =>
      array.space === "global"
        ? `${gap(`buffer ${array.buffer}`, (own) => own.element(array, "", slot).slice(0, -1))}${index}]`
        : elementText(array.name, index, slot),
    opaque: (bits) => `${gap("opaque", (own) => own.opaque("").slice(0, -1))}${bits})`,
    uniform: (sum) => gap(sum.join(" + "), (own) => own.uniform(sum)),
    builtin,
  };
  const found = { pieces: statementLines(body, gapped, "  ").join("\n").split(mark), gaps };
  written.set(body, found);
  return found;
}
