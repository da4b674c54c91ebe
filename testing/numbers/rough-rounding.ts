/**
 * @file Measures the effect of rounding on the outputs of a graph: the interpreter runs it several times and changes each
 * value that is not exact in f32 by a random relative amount of up to `jitter`, 16 times the f32 rounding error, and then
 * rounds it. (Monte Carlo arithmetic: Parker, Pierce & Eggert 2000, "Monte Carlo arithmetic: how to gamble with floating
 * point and win", Computing in Science & Engineering 2(4). The margin above one rounding covers a device's own exp and tanh
 * and its order of summation.) An output is determined no better than it varies.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret, type Observer } from "../../compiler/ops/interpret.ts";
import { jitter } from "./compare.ts";
import { generator } from "./random-data.ts";

const runs = 8;

/** For each number of each output, its largest deviation from the float64 value in any run. */
export function roundingSpread(graph: Graph, inputs: readonly NdArray[], exact: readonly NdArray[]): NdArray[] {
  const spread = exact.map(({ data, ...array }) => ({ ...array, data: new Float64Array(data.length) }));
  for (let seed = 1; seed <= runs; seed++) {
    const rough = interpret(graph, inputs, {}, roughRounding(seed));
    for (const [i, { data }] of spread.entries()) {
      for (const k of data.keys()) {
        const moved = Math.abs((at(rough, i).data[k] ?? Number.NaN) - (at(exact, i).data[k] ?? Number.NaN));
        data[k] = Number.isNaN(moved) ? Number.POSITIVE_INFINITY : Math.max(data[k] ?? 0, moved);
      }
    }
  }
  return spread;
}

/** Changes only values that are not exact in f32: not counters, masks, or copies of values changed before. */
function roughRounding(seed: number): Observer {
  const random = generator(seed);
  return {
    value: (_graph, _id, { op }, _operands, { dtype, data }) => {
      // A reshaped value shares the memory of its operand.
      if (dtype !== "f32" || op === "reshape") return;
      for (const [k, value] of data.entries()) {
        if (Math.fround(value) !== value) data[k] = Math.fround(value * (1 + jitter * (2 * random() - 1)));
      }
    },
    stacked: () => {},
    enter: () => {},
    leave: () => {},
  };
}
