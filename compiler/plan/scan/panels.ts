/**
 * @file Weights that pass by, on a GPU: how the lanes of a workgroup share the products of a step whose weights do not fit
 * in registers. They are packed once before the loop, in the order in which lanes read them in every step: a lane owns
 * four neighbouring columns, and every `slices`-th group of four steps of the depth.
 *
 *   lane = quad * slices + slice        column = 4 * quad + i        depth = 4 * (turn * slices + slice) + step
 *
 * Each load is a vector of four weights, next to those of the neighbouring lanes, and serves all rows of the workgroup.
 * What a lane has added up is added over the slices, and stored in workgroup memory for the lanes that go on with it.
 */
import { at } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { storages } from "../../graph/storage.ts";
import type { Lowering, RegisterFile } from "../lowering.ts";
import type { Accumulator } from "../stages/accumulators.ts";
import type { Stage } from "../stages/stages.ts";
import { invariantNodes, leavesOf, type Product, productOf } from "./residency.ts";

/** Lanes that have 64 lines of their own: what a GPU reads together, whatever the size of its subgroups. */
export const readTogether = 64;

/** Columns of a vector, and steps of the depth that are read together. */
export const four = 4;

/** Sums of a stage that read the same left operands, so that all lanes do the same with different weights. */
export interface PanelGroup {
  readonly accumulators: readonly Accumulator[];
  /** Its number among the groups of the scan. */
  readonly number: number;
  /** Products that each of them adds up. */
  readonly loops: number;
  readonly depth: number;
  readonly columns: number;
  /** Vectors of columns of one accumulator, and of all of them. */
  readonly quadsOfOne: number;
  readonly quads: number;
  /** Groups of four steps of the depth that a lane multiplies, the last of them in some slices only. */
  readonly turns: number;
  /** How often the lanes begin anew with other columns. */
  readonly passes: number;
  /** Lanes that have columns. */
  readonly lanes: number;
  /** The first of its sums in a row of them. */
  readonly firstSum: number;
}

export interface Panels {
  readonly lanes: number;
  /** Lanes that share the depth of a column, a power of two, and how many of these add up within a subgroup. */
  readonly slices: number;
  readonly neighbours: number;
  readonly groups: ReadonlyMap<Stage, readonly PanelGroup[]>;
  /** Values in workgroup memory that products read along the depth: one slot for each slice. */
  readonly sliced: ReadonlySet<NodeId>;
  /** Sums of a row that a stage stores for the lanes that read them, at most. */
  readonly sums: number;
  /** Vectors of weights that a lane loads together for each product. */
  readonly together: number;
  /** Registers of a lane that are for nothing of these. */
  readonly others: number;
}

/** Lanes that share a column, at most. */
const mostSlices = 32;

/**
 * Registers of a lane beside sums, weights, and values that it multiplies; and where lanes share reductions, those of
 * their elements, which wait from one stage for the next.
 */
const otherRegisters = { alone: 40, withReductions: 72 };

/** Rows of a workgroup, at most: each takes registers of every lane, for a vector of sums and one of its values. */
export function mostPanelRows({ registers }: Lowering): number {
  return registers.most <= 64 ? 4 : 8;
}

/** The panels of a scan in workgroups arranged for `rows` rows; undefined if its products have no known, constant weights. */
export function planPanels(
  { tiles, maxInvocations, workgroupBytes, registers, neighbours }: Lowering,
  body: Graph,
  consts: number,
  stages: readonly Stage[],
  rows: number,
): Panels | undefined {
  if (tiles.target !== "gpu") return undefined;
  const constant = invariantNodes(body, consts);
  const found = new Map<Stage, readonly Sums[]>();
  for (const stage of stages) {
    const sums = stage.form === "tile" ? sumsOf(body, stage, constant) : undefined;
    if (sums !== undefined) found.set(stage, sums);
  }
  const all = [...found.values()].flat();
  if (all.length === 0) return undefined;
  const reduces = stages.some(({ form, loops }) => form !== "tile" && loops.length > 0);
  const others = reduces ? otherRegisters.withReductions : otherRegisters.alone;
  const ofRegisters = registers.total / (2 * four * rows + four * four + others);
  // Each lane stores a vector of sums for every row: they take half of the memory at most.
  const ofMemory = workgroupBytes / (2 * four * storages.f32.bytes);
  const limit = powerBelow(Math.min(maxInvocations, ofRegisters, ofMemory));
  const slices = Math.min(
    ...all.map(({ quads, depth }) => powerBelow(Math.min(limit / quads, depth / four, mostSlices))),
  );
  const lanes = Math.max(
    ...all.map(({ quads }) => Math.min(limit, Math.ceil((quads * slices) / readTogether) * readTogether)),
  );
  const groups = new Map<Stage, readonly PanelGroup[]>();
  let number = 0;
  for (const [stage, sums] of found) {
    let firstSum = 0;
    const placed = sums.map((one): PanelGroup => {
      const { quads, depth } = one;
      const group = {
        ...one,
        turns: Math.ceil(depth / (four * slices)),
        passes: Math.ceil((quads * slices) / lanes),
        lanes: Math.min(quads * slices, lanes),
        firstSum,
        number,
      };
      number += 1;
      firstSum += four * quads;
      return group;
    });
    groups.set(stage, placed);
  }
  const sliced = new Set(all.flatMap(({ lefts }) => lefts.flatMap((left) => [...leavesOf(body, left)])));
  const sums = Math.max(...[...groups.values()].map((of) => of.reduce((sum, { quads }) => sum + four * quads, 0)));
  const together = loadedTogether(registers, { lanes, others }, rows);
  return {
    ...{ lanes, slices, neighbours: Math.min(slices, powerBelow(neighbours)), groups, sliced, sums, together, others },
  };
}

/** Vectors of weights that a lane of a workgroup with `rows` rows has registers for. */
function loadedTogether(
  registers: RegisterFile,
  { lanes, others }: Pick<Panels, "lanes" | "others">,
  rows: number,
): number {
  const registersLeft = Math.min(registers.total / lanes, registers.most) - others - 2 * four * rows;
  return Math.min(four, Math.max(1, Math.floor(registersLeft / (four * four))));
}

/** Terms after which a lane begins a partial sum, so that no number is rounded often (emit/long-sums.ts). */
export const fewTerms = 256;

/** Whether lanes begin partial sums, which consist of what is loaded together. */
export function haveParts({ groups }: Panels): boolean {
  return [...groups.values()].flat().some(({ turns, loops }) => four * loops * turns > fewTerms);
}

/** The same panels for fewer rows than they are arranged for: lanes have registers for more weights then. */
export function withFewerRows(panels: Panels, { registers }: Lowering, rows: number): Panels {
  return haveParts(panels) ? panels : { ...panels, together: loadedTogether(registers, panels, rows) };
}

/** Two plans of a scan whose weights are packed alike have equal layouts. */
export function layoutOf({ lanes, slices, groups }: Panels): string {
  const all = [...groups.values()].flat().map(({ turns, passes, lanes: own }) => [turns, passes, own]);
  return JSON.stringify([lanes, slices, all]);
}

/** Elements of a row of `width` in one slot, and what keeps slots apart: they begin in different banks of memory. */
export function rowInSlot(width: number, slices: number): number {
  return slices === 1 ? width : Math.ceil(width / (four * slices)) * four;
}

export function slotPadding(length: number, slices: number): number {
  return slices === 1 ? 0 : (36 - (length % 32)) % 32;
}

interface Sums extends Pick<PanelGroup, "accumulators" | "loops" | "depth" | "columns" | "quadsOfOne" | "quads"> {
  readonly lefts: readonly NodeId[];
}

/** The sums of a stage, grouped by what they multiply; undefined if one of its loops is not such a product. */
function sumsOf(body: Graph, { accumulators }: Stage, constant: ReadonlySet<NodeId>): readonly Sums[] | undefined {
  const groups = new Map<string, { accumulators: Accumulator[]; products: readonly Product[] }>();
  for (const accumulator of accumulators) {
    const products: Product[] = [];
    for (const id of accumulator.loops) {
      const product = productOf(body, id, constant, new Set());
      const { shape, dtype } = nodeAt(body, id).aval;
      if (typeof product === "string" || shape.length !== 2 || dtype !== "f32") return undefined;
      products.push(product);
    }
    const key = products.map(({ left, depth, columns }) => `${left} ${depth} ${columns}`).join();
    const known = groups.get(key) ?? { accumulators: [], products };
    known.accumulators.push(accumulator);
    groups.set(key, known);
  }
  const all = [...groups.values()].map(({ accumulators: own, products }): Sums => {
    const { depth, columns } = at(products, 0);
    const quadsOfOne = Math.ceil(columns / four);
    const lefts = products.map(({ left }) => left);
    return {
      accumulators: own,
      loops: products.length,
      depth,
      columns,
      quadsOfOne,
      quads: own.length * quadsOfOne,
      lefts,
    };
  });
  return all.every(({ depth, columns }) => depth > 0 && columns > 0) ? all : undefined;
}

function powerBelow(limit: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, limit)));
}
