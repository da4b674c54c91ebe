/**
 * @file Where a number that is not finite came from: the first value of a graph that is NaN or infinite though all it was
 * computed from is finite, among those that reach an output. The interpreter runs the graph with every value rounded to
 * f32, as a device has it; each value that is not finite keeps its origin, through views, sums and loops.
 */

import { UserError } from "../graph/errors.ts";
import type { Graph, Node, NodeId, Site } from "../graph/graph.ts";
import { checkGraph, inputName } from "../graph/graph.ts";
import type { NdArray } from "../graph/ndarray.ts";
import { interpret } from "./interpret.ts";

/** The place at which a number was not finite first. */
export interface NonFinite {
  /** The op that made it; "input" where it was given. */
  readonly op: string;
  /** Name of the input, where it was given. */
  readonly input?: string;
  /** The line of the user's file that the op comes from. A derivative's is that of the op it is of. */
  readonly site: Site | undefined;
  /** The loops around the op, outermost first, each at its step: time counts from 0. */
  readonly loops: readonly { readonly name: string; readonly step: number }[];
  /** Where in the value the first such number is, and what it is. */
  readonly index: readonly number[];
  /** NaN, Infinity or -Infinity. */
  readonly value: number;
  /** How many numbers of the value are not finite, of how many. */
  readonly count: number;
  /** How many numbers the value has. */
  readonly size: number;
  /** Of an elementwise op: the operands' numbers at that index. */
  readonly from: readonly number[];
}

/**
 * The origin of what is not finite in the outputs of a graph, the first in the order of computation; undefined where all
 * of them are finite. Constants of the graph that are infinite by intent, such as those of a mask, are no origin.
 *
 * `inputs` are by name.
 *
 * @throws UserError where an input is missing or does not fit.
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
  /** By the memory of a value, which its views and its rows over time share. */
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
    // What a choice did not take, and what is finite at this place, has no part in it.
    const taken = node.op === "where" ? operands.slice(...(operands[0]?.data[bad] === 0 ? [2, 3] : [1, 2])) : operands;
    const makers = isElementwise ? taken.filter(({ data }) => !Number.isFinite(data[bad])) : taken;
    const known = makers.flatMap((operand) => this.of(operand) ?? []).sort((a, b) => a.order - b.order)[0];
    if (known !== undefined) this.#byMemory.set(result.data.buffer, known);
    // Infinity that was a constant is passed on as it is; only NaN made of it is new.
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

/** Position of the first number that is not finite; -1 where there is none, as in values of integers. */
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

/** One line for people, such as "log at my-cell.ts:5:9 gave -Infinity at [0, 2] (1 of 8 numbers) from 0, in step 3 of cell". */
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
