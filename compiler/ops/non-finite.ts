/**
 * @file Finds where a non-finite number came from: the first value that is NaN or infinite although it was computed
 * from finite values only, among those that reach an output. The interpreter runs the graph with every value rounded to
 * f32, as on a device, and tracks the origin of non-finite values through views, sums and loops.
 */

import { UserError } from "../graph/errors.ts";
import type { Graph, Node, NodeId, Site } from "../graph/graph.ts";
import { checkGraph, inputName } from "../graph/graph.ts";
import type { NdArray } from "../graph/ndarray.ts";
import { interpret } from "./interpret.ts";

/** The place where a non-finite number first appeared. */
export interface NonFinite {
  /** The op that computed it; "input" if it was in an input. */
  readonly op: string;
  /** The name of the input, if it was in one. */
  readonly input?: string;
  /** The line of the user's file where the op was written; for a derivative, that of the differentiated op. */
  readonly site: Site | undefined;
  /** The loops around the op, outermost first, each with its step, counted from 0. */
  readonly loops: readonly { readonly name: string; readonly step: number }[];
  /** The index of the first such number in the value. */
  readonly index: readonly number[];
  /** NaN, Infinity or -Infinity. */
  readonly value: number;
  /** How many numbers of the value are not finite. */
  readonly count: number;
  /** How many numbers the value has. */
  readonly size: number;
  /** For an elementwise op: the operands' numbers at that index. */
  readonly from: readonly number[];
}

/**
 * The origin of the non-finite numbers in the outputs of a graph, the first in order of computation; undefined if all
 * outputs are finite. Constants that are infinite on purpose, such as those of a mask, are not origins.
 *
 * `inputs` are by name.
 *
 * @throws UserError if an input is missing or does not fit.
 */
export function findNonFinite(graph: Graph, inputs: Readonly<Record<string, NdArray>>): NonFinite | undefined {
  checkGraph("findNonFinite", graph);
  const origins = new Origins();
  const given = graph.inputs.map((id) => {
    const name = inputName(graph, id);
    const value = inputs[name];
    if (value === undefined) throw new UserError(`${graph.name}: input ${name} is missing`);
    const rounded = value.dtype === "f32" ? { ...value, data: value.data.map(Math.fround) } : value;
    origins.ofInput(name, rounded);
    return rounded;
  });
  const outputs = interpret(graph, given, {}, origins);
  const found = outputs.flatMap((value) => origins.of(value) ?? []);
  return found.sort((a, b) => a.order - b.order)[0]?.place;
}

interface Origin {
  readonly order: number;
  readonly place: NonFinite;
}

class Origins {
  /** Keyed by the memory of a value, which its views and its rows over time share. */
  readonly #byMemory = new WeakMap<object, Origin>();
  readonly #loops: { name: string; step: number }[] = [];
  #count = 0;

  of(value: NdArray): Origin | undefined {
    return firstBad(value) < 0 ? undefined : this.#byMemory.get(value.data.buffer);
  }

  ofInput(name: string, value: NdArray): void {
    this.#made(value, { op: "input", input: name, site: undefined, from: [] });
  }

  value(graph: Graph, id: NodeId, node: Node, operands: readonly NdArray[], result: NdArray): void {
    if (result.dtype !== "f32") return;
    for (let i = 0; i < result.data.length; i++) result.data[i] = Math.fround(result.data[i] ?? 0);
    const bad = firstBad(result);
    if (bad < 0 || node.operands.length === 0) return;
    const isElementwise = operands.every(({ data }) => data.length === result.data.length);
    // Operands that `where` did not choose, or that are finite at this index, are not the cause.
    const taken = node.op === "where" ? operands.slice(...(operands[0]?.data[bad] === 0 ? [2, 3] : [1, 2])) : operands;
    const makers = isElementwise ? taken.filter(({ data }) => !Number.isFinite(data[bad])) : taken;
    const known = makers.flatMap((operand) => this.of(operand) ?? []).sort((a, b) => a.order - b.order)[0];
    if (known !== undefined) this.#byMemory.set(result.data.buffer, known);
    // A constant infinity that is passed on is not an origin; only a NaN computed from it is.
    else if (Number.isNaN(result.data[bad]) || makers.every((operand) => firstBad(operand) < 0)) {
      const from = isElementwise ? operands.map(({ data }) => data[bad] ?? Number.NaN) : [];
      this.#made(result, { op: node.op, site: graph.sites[id], from });
    }
  }

  stacked(all: NdArray, row: NdArray): void {
    const origin = this.of(row);
    if (origin !== undefined && this.of(all) !== undefined) return;
    if (origin !== undefined) this.#byMemory.set(all.data.buffer, origin);
  }

  enter(body: Graph, step: number): void {
    this.#loops.push({ name: body.name, step });
  }

  leave(): void {
    this.#loops.pop();
  }

  #made(value: NdArray, what: Pick<NonFinite, "op" | "input" | "site" | "from">): void {
    const bad = firstBad(value);
    if (bad < 0) return;
    this.#count += 1;
    const place = {
      ...what,
      loops: [...this.#loops],
      index: indexOf(bad, value.shape),
      value: value.data[bad] ?? Number.NaN,
      count: value.data.filter((number) => !Number.isFinite(number)).length,
      size: value.data.length,
    };
    this.#byMemory.set(value.data.buffer, { order: this.#count, place });
  }
}

/** The position of the first non-finite number; -1 if there is none, as in integer values. */
function firstBad({ dtype, data }: NdArray): number {
  return dtype === "f32" ? data.findIndex((number) => !Number.isFinite(number)) : -1;
}

function indexOf(position: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = position;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}

/**
 * One readable line, such as "log at my-cell.ts:5:9 gave -Infinity at [0, 2] (1 of 8 numbers) from 0, in step 3 of
 * cell".
 */
export function nonFiniteLine(found: NonFinite): string {
  const { op, input, site, loops, index, value, count, size, from } = found;
  const at = index.length === 0 ? "" : ` at [${index.join(", ")}]`;
  const share = size === 1 ? "" : ` (${count} of ${size} numbers)`;
  if (input !== undefined) return `input ${input} holds ${value}${at}${share}`;
  const place = site === undefined ? op : `${op} at ${site}`;
  const made = from.length === 0 ? "" : ` from ${from.map((number) => Number(number.toPrecision(6))).join(" and ")}`;
  const within = [...loops].reverse().map(({ name, step }) => `in step ${step} of ${name}`);
  return [`${place} gave ${value}${at}${share}${made}`, ...within].join(", ");
}
