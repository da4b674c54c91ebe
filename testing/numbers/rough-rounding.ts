/**
 * @file What rounding may do to the outputs of a graph, found by trying: the interpreter runs it several times, and each
 * value that f32 does not hold exactly is moved at random by up to `jitter` of itself, which is 16 times what f32 rounds
 * off, and then rounded. (Monte Carlo arithmetic: Parker, Pierce & Eggert 2000, "Monte Carlo arithmetic: how to gamble
 * with floating point and win", Computing in Science & Engineering 2(4); the room beyond one rounding is for a device's
 * own exp and tanh and for the order in which it sums.) An output that moves is determined no better than that.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret, type Observer } from "../../compiler/ops/interpret.ts";
import { jitter } from "./compare.ts";
import { generator } from "./random-data.ts";

const runs = 8;

/** For each number of each output, how far it moved from its float64 value in any of the runs. */
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

/** What f32 holds exactly stays: counters, masks, what was moved before and is only copied. */
function roughRounding(seed: number): Observer {
  const random = generator(seed);
  return {
    value: (_graph, _id, { op }, _operands, { dtype, data }) => {
      // A reshaped value lies in the memory of its operand.
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
