/**
 * @file What random cells have exercised: for every op, how many cells computed it, and in how many a gradient came
 * back through it. A zero means that the generator misses something, and is a failure.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { Graph, OpName } from "../../compiler/graph/graph.ts";
import * as activations from "../../compiler/ops/activations.ts";
import * as ofOps from "../../compiler/ops/composed.ts";
import { einsum } from "../../compiler/ops/einsum.ts";
import * as reductions from "../../compiler/ops/reductions.ts";
import { opTable } from "../../compiler/ops/table.ts";
import { isActive, isLive } from "../../testing/random-cells/flow.ts";

const composed = { ...ofOps, ...activations, ...reductions, einsum };

/** Ops that no gradient can reach: they have no operand, or none of f32 under a result of f32. */
const withoutBackward: ReadonlySet<string> = new Set<OpName>([
  ...(["input", "constant", "iota", "dimSize"] as const),
  ...(["less", "equal", "and", "or", "not", "finite", "cast", "randomBits"] as const),
]);

/**
 * Ops that random cells do not use. Rounding to f16 turns a last digit of f32 into one of f16 where a number lies between
 * two: its own tests compare such steps.
 */
const inOwnTests: ReadonlySet<string> = new Set<OpName>(["roundToHalf"]);

interface Row {
  forward: number;
  backward: number;
}

export class Coverage {
  readonly #rows = new Map<string, Row>();

  constructor() {
    for (const op of Object.keys(opTable)) if (!inOwnTests.has(op)) this.#row(op);
    for (const name of Object.keys(composed)) this.#row(`${name} (composed)`);
    for (const name of ["scan", "scan in a scan"]) this.#row(name);
  }

  /** Notes a cell: its loss with and without scans, its gradient, and the functions it was written with. */
  note(cell: {
    readonly loss: Graph;
    readonly straightLoss: Graph;
    readonly moving: readonly boolean[];
    readonly gradient: Graph;
    readonly functions: ReadonlySet<string>;
  }): void {
    const { straightLoss: graph } = cell;
    const live = isLive(graph);
    const active = isActive(graph, cell.moving);
    const opsWhere = (flags: readonly boolean[]) =>
      new Set(graph.nodes.filter((_, id) => at(flags, id)).map(({ op }) => String(op)));
    for (const op of opsWhere(live)) this.#row(op).forward++;
    // Gone where sizes are known.
    if (contains(cell.loss, "dimSize")) this.#row("dimSize").forward++;
    for (const op of opsWhere(active)) this.#row(op).backward++;
    for (const name of cell.functions) if (name in composed) this.#row(`${name} (composed)`).forward++;
    for (const depth of scanDepths(cell.loss, () => true)) this.#row(scanNames[depth] ?? "").forward++;
    const isBackward = (name: string) => name.endsWith(".vjp");
    for (const depth of scanDepths(cell.gradient, isBackward)) this.#row(scanNames[depth] ?? "").backward++;
  }

  #row(name: string): Row {
    const row = this.#rows.get(name) ?? { forward: 0, backward: 0 };
    this.#rows.set(name, row);
    return row;
  }

  /** A line for each op. */
  get table(): string {
    const line = (name: string, ...cells: unknown[]) =>
      name.padEnd(28) + cells.map((cell) => String(cell).padStart(10)).join("");
    return [
      line("op", "forward", "backward"),
      ...[...this.#rows].map(([name, row]) => line(name, row.forward, hasBackward(name) ? row.backward : "-")),
    ].join("\n");
  }

  /** Ops that were missed, such as `sin backward`. */
  get missed(): string[] {
    return [...this.#rows].flatMap(([name, { forward, backward }]) => [
      ...(forward === 0 ? [`${name} forward`] : []),
      ...(backward === 0 && hasBackward(name) ? [`${name} backward`] : []),
    ]);
  }
}

function contains(graph: Graph, op: OpName): boolean {
  return graph.nodes.some((node) => node.op === op || (node.op === "scan" && contains(node.attrs.body, op)));
}

const scanNames = ["scan", "scan in a scan"];

function hasBackward(name: string): boolean {
  return !withoutBackward.has(name) && !name.endsWith("(composed)");
}

/** Depths at which a graph has scans whose body's name satisfies `counts`. */
function scanDepths(graph: Graph, counts: (name: string) => boolean, depth = 0): Set<number> {
  const found = new Set<number>();
  for (const node of graph.nodes) {
    if (node.op !== "scan") continue;
    if (counts(node.attrs.body.name)) found.add(depth);
    for (const inner of scanDepths(node.attrs.body, counts, depth + 1)) found.add(inner);
  }
  return found;
}
