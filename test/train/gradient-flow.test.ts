/**
 * @file Gradient flow: its norms equal those of central differences for any cell and states; they vanish in the simple
 * network but not in the carousel.
 */
import { describe, expect, test } from "vitest";
import { lstm, lstm1997, rnn } from "../../cells/index.ts";
import { at } from "../../compiler/graph/errors.ts";
import { inputName } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import {
  add,
  type CellDefinition,
  cell,
  dense,
  evaluationStep,
  interpret,
  mul,
  outer,
  type StepGraph,
  sum,
  tanh,
} from "../../index.ts";
import { gradientFlow } from "../../train/gradient-flow.ts";
import { languageModel, type Network, seriesModel } from "../../train/networks.ts";
import { devices, difference } from "./devices.ts";
import { numbers, run, startOf, tokens, type Values } from "./steps.ts";

/** A state that is a matrix beside one that is a vector. */
const memory = cell("memory", { state: ({ units }) => ({ m: [units, units], h: [units] }) }, ({ x, m, h, units }) => {
  const key = tanh(dense("key", [x, h], units));
  const next = add(mul(m, 0.7), outer(key, h));
  const read = tanh(add(sum(next, -1), key));
  return { state: { m: next, h: read }, output: read };
}) as CellDefinition;

const [time, batch] = [5, 2];

/** The outputs of a step in the interpreter. */
function evaluated({ graph }: StepGraph, given: Values): NdArray[] {
  return interpret(
    graph,
    graph.inputs.map((id) => given[inputName(graph, id)] ?? ndarray([], [])),
  );
}

const text = languageModel({ cell: lstm, units: 3, layers: 2, vocabulary: 4, embed: 2 });
const series = seriesModel({ cell: memory, units: 2, layers: 1, features: 2 });
const cases: readonly [name: string, network: Network, data: Values][] = [
  [
    "a text through two layers of LSTM",
    text,
    { x: tokens([time, batch], 4, "x"), targets: tokens([time, batch], 4, "y") },
  ],
  [
    "a series, with a matrix as state",
    series,
    { x: numbers([time, batch, 2], "x"), targets: numbers([time, batch, 2], "y") },
  ],
];

/** Steps `from` to `to` of an array [T, …]. */
function steps({ dtype, shape, data }: NdArray, from: number, to: number): NdArray {
  const width = data.length / (shape[0] ?? 1);
  return ndarray([to - from, ...shape.slice(1)], data.slice(from * width, to * width), dtype);
}

/** The rest of a sequence from step t: its loss, and the state that it starts in. */
function restOf(network: Network, data: Values, parameters: NdArray, loss: "last" | "all") {
  const step = evaluationStep(network);
  const { outputs } = step;
  const evaluate = (from: number, to: number, states: Values): NdArray[] => {
    const given: Values = { parameters, ...states };
    for (const name of ["x", "targets"]) given[name] = steps(data[name] ?? ndarray([], []), from, to);
    return evaluated(step, given);
  };
  const names = Object.keys(network.stateShapes);
  const zero = Object.fromEntries(
    Object.entries(network.stateShapes).map(([name, shape]) => {
      return [`state/${name}`, ndarray([batch, ...shape], new Float64Array(batch * shape.reduce((a, b) => a * b, 1)))];
    }),
  );
  const stateAfter = (to: number, states: Values) => {
    const results = to === 0 ? [] : evaluate(0, to, states);
    return to === 0 ? states : Object.fromEntries(names.map((name, i) => [`state/${name}`, at(results, i)]));
  };
  return {
    before: (t: number): Values => stateAfter(t, zero),
    loss: (t: number, states: Values): number => {
      // The mean of all steps is that of the rest, up to what came before, which the state does not change.
      if (loss === "all") return (at(evaluate(t, time, states), outputs.loss ?? 0).data[0] ?? 0) * ((time - t) / time);
      let current = states;
      for (let step = t; step < time - 1; step++) {
        const results = evaluate(step, step + 1, current);
        current = Object.fromEntries(names.map((name, i) => [`state/${name}`, at(results, i)]));
      }
      return at(evaluate(time - 1, time, current), outputs.loss ?? 0).data[0] ?? 0;
    },
  };
}

describe.each(cases)("%s", (_name, network, data) => {
  const parameters = startOf(network);
  const flow = (loss: "last" | "all") => {
    const step = gradientFlow(network, { loss });
    const given: Values = { parameters, ...data };
    const outputs = evaluated(step, given);
    return (state: string) => at(outputs, step.outputs[state] ?? -1);
  };

  test.each(["last", "all"] as const)("equals central differences, loss of %s", (loss) => {
    const norms = flow(loss);
    const rest = restOf(network, data, parameters, loss);
    for (const name of Object.keys(network.stateShapes)) {
      const expected = Array.from({ length: time }, (_, t) => {
        const states = rest.before(t);
        const state = states[`state/${name}`] ?? ndarray([], []);
        const slopes = Array.from(state.data, (_, i) => {
          const moved = (h: number) => {
            const shifted = { ...state, data: state.data.map((value, k) => (k === i ? value + h : value)) };
            return rest.loss(t, { ...states, [`state/${name}`]: shifted });
          };
          return (moved(1e-5) - moved(-1e-5)) / 2e-5;
        });
        return Math.hypot(...slopes);
      });
      expect(norms(name).shape).toEqual([time]);
      expect(Math.max(...expected)).toBeGreaterThan(1e-4);
      expect(difference(norms(name).data, expected), name).toBeLessThan(1e-6);
    }
  });
});

test.each(devices)("the same on $name", async ({ open, tolerance }) => {
  const device = await open();
  const parameters = startOf(text);
  const [, , data] = cases[0] ?? [];
  const inputs: Values = { parameters, ...data };
  const step = gradientFlow(text);
  const expected = evaluated(step, inputs);
  const got = await run(device, step, inputs);
  for (const [name, i] of Object.entries(step.outputs))
    expect(difference(got[name]?.data ?? [], at(expected, i).data), name).toBeLessThan(tolerance);
  device.destroy();
});

/** Norm with which the loss of the last step reaches the first, relative to the last, in a fresh network. */
function survival<Names extends string>(definition: CellDefinition<Names>, state: Names, length: number): number {
  const network = seriesModel({ cell: definition, units: 8, layers: 1, features: 1 });
  const step = gradientFlow(network);
  const given: Values = {
    parameters: startOf(network),
    x: numbers([length, 1, 1], "x", 2),
    targets: numbers([length, 1, 1], "targets"),
  };
  const outputs = evaluated(step, given);
  const norms = at(outputs, step.outputs[`layers/0/${state}`] ?? -1).data;
  return (norms[0] ?? 0) / (norms[length - 1] ?? 0);
}

test("over 60 steps the simple network's gradient vanishes and the carousel's does not", () => {
  expect(survival(rnn, "h", 60)).toBeLessThan(1e-6);
  expect(survival(lstm1997, "c", 60)).toBeGreaterThan(0.05);
});
