/**
 * @file Imported PyTorch weights give the results of PyTorch: outputs, final states and every gradient, of single layers with
 * given states, and of two bidirectional layers over sequences of different lengths. The expected numbers are float64, made
 * by golden/torch_layers.py and similar scripts.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { fromParameters, fromPyTorch, type NetworkWeights, toParameters, toPyTorch } from "../../entries/weights.ts";
import {
  fromNested,
  model,
  mul,
  type NamedAval,
  ndarray,
  sum,
  type Tensor,
  traceGraph,
  valueAndGrad,
} from "../../index.ts";
import type { LayerState } from "../../train/layers/layer.ts";
import { lengthsMask } from "../../train/layers/lengths.ts";
import { interpreter, smallTileCpuExecutors } from "../support/cpu-executors.ts";
import { type Arrays, errorOf, type Matrix, type Sequence, stackFor } from "./imported-stack.ts";

type Float = Tensor<"f32">;

/** One file of figures, whoever made it, in one form. */
interface Figures {
  readonly cell: string;
  readonly layers: number;
  readonly isBidirectional: boolean;
  readonly lengths: readonly number[];
  readonly weights: Arrays;
  /** States to start from by name, such as `layers/0/h`. */
  readonly initial: Arrays;
  readonly x: NdArray;
  /** Weights of the outputs in the loss. */
  readonly w: NdArray;
  readonly output: NdArray;
  readonly final: Arrays;
  readonly loss: number;
  readonly gradients: Arrays;
  readonly gradientX: NdArray;
}

interface StackFigures {
  readonly name: string;
  readonly layers: number;
  readonly bidirectional: boolean;
  readonly lengths: readonly number[];
  readonly weights: Readonly<Record<string, Matrix | number[]>>;
  readonly x: Sequence;
  readonly w: Sequence;
  readonly output: Sequence;
  readonly h: Sequence;
  readonly c?: Sequence;
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Matrix | number[]>>;
  readonly gradientX: Sequence;
}

interface SingleFigures {
  readonly weights: Readonly<Record<string, Matrix | number[]>>;
  readonly x: Sequence;
  readonly h0: Matrix;
  readonly c0?: Matrix;
  readonly w: Sequence;
  readonly output: Sequence;
  readonly final: Readonly<Record<string, Matrix>>;
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Sequence | Matrix | number[]>>;
}

const parsed = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), "utf8"));
const arrays = (nested: Readonly<Record<string, number[] | Matrix | Sequence>>): Arrays =>
  Object.fromEntries(Object.entries(nested).map(([key, value]) => [key, fromNested(value)]));

const stacks: Figures[] = (parsed("torch_layers") as { cases: StackFigures[] }).cases.map((figures) => {
  const { name, layers, bidirectional: isBidirectional, lengths, h, c } = figures;
  const directions = isBidirectional ? ["forward/", "backward/"] : [""];
  const final = Object.entries({ h, ...(c && { c }) }).flatMap(([state, values]) =>
    values.map((value, i) => {
      const direction = directions[i % directions.length] ?? "";
      return [`layers/${Math.floor(i / directions.length)}/${direction}${state}`, value] as const;
    }),
  );
  return {
    ...{ cell: name, layers, isBidirectional, lengths, initial: {}, loss: figures.loss },
    weights: arrays(figures.weights),
    gradients: arrays(figures.gradients),
    final: arrays(Object.fromEntries(final)),
    x: fromNested(figures.x),
    w: fromNested(figures.w),
    output: fromNested(figures.output),
    gradientX: fromNested(figures.gradientX),
  };
});

const singles: Figures[] = ["rnn", "lstm", "gru"].map((name) => {
  const { h0, c0, gradients, ...figures } = parsed(`torch_${name}`) as SingleFigures;
  const ofLayer = (states: Readonly<Record<string, Matrix>>) =>
    arrays(Object.fromEntries(Object.entries(states).map(([state, value]) => [`layers/0/${state}`, value])));
  const { x: gradientX = [], h0: _h0, c0: _c0, ...gradientsOfWeights } = gradients;
  const [steps, batch] = [figures.x.length, h0.length];
  return {
    ...{ cell: name === "gru" ? "gru-reset-after" : name, layers: 1, isBidirectional: false, loss: figures.loss },
    lengths: Array.from({ length: batch }, () => steps),
    weights: arrays(figures.weights),
    initial: ofLayer({ h: h0, ...(c0 && { c: c0 }) }),
    gradients: arrays(gradientsOfWeights),
    final: ofLayer(figures.final),
    x: fromNested(figures.x),
    w: fromNested(figures.w),
    output: fromNested(figures.output),
    gradientX: fromNested(gradientX),
  };
});

/** The layers of the figures, and a graph (parameters…, states…, x, w, lengths) -> (output, states…, loss, gradients…). */
function graphOf({ isBidirectional, initial, x }: Figures, imported: NetworkWeights) {
  const { units } = imported;
  const parameters = toParameters(imported);
  const stack = stackFor(imported);
  const network = model("network", (input: Float, state: LayerState, mask: Tensor<"bool">) =>
    stack.run(input, { state, mask }),
  );
  const paths = Object.keys(parameters);
  const given = Object.keys(initial);
  const states = Object.keys(stack.states);
  const width = units * (isBidirectional ? 2 : 1);
  const inputs: NamedAval[] = [
    ...paths.map((path): NamedAval => ({ name: path, dtype: "f32", shape: parameters[path]?.shape ?? [] })),
    ...given.map((name): NamedAval => ({ name, dtype: "f32", shape: ["B", units] })),
    { name: "x", dtype: "f32", shape: ["T", "B", at(x.shape, 2)] },
    { name: "w", dtype: "f32", shape: ["T", "B", width] },
    { name: "lengths", dtype: "i32", shape: ["B"] },
  ];
  const graph = traceGraph("imported", inputs, (tensors) => {
    const named = Object.fromEntries(inputs.map(({ name }, i) => [name, at(tensors, i) as Float]));
    const mask = lengthsMask(at(tensors, tensors.length - 1) as Tensor<"i32">, "T");
    const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, named[name] as Float]));
    const forward = (weights: Record<string, Float>, input: Float) => network.apply(weights, input, pick(given), mask);
    const { outputs, state } = forward(pick(paths), named.x as Float);
    const { value, grad } = valueAndGrad((leaves: Record<string, Float>) => {
      const { x: input, ...weights } = leaves;
      return sum(mul(forward(weights, input as Float).outputs, named.w as Float));
    })(pick([...paths, "x"]));
    return [
      outputs,
      ...states.map((name) => state[name] as Float),
      value,
      ...[...paths, "x"].map((name) => grad[name] as Float),
    ];
  });
  return { graph, paths, states, given };
}

const cases = [...singles, ...stacks].map((figures) => {
  const { cell, layers, isBidirectional } = figures;
  return [
    `${cell}, ${layers === 1 ? "one layer" : `${layers} layers`}${isBidirectional ? " both ways" : ""}`,
    figures,
  ] as const;
});

/** The schedules of one loop are compared elsewhere; one of them is enough here. */
const executors = [interpreter, at(smallTileCpuExecutors, 0)];

describe.each(executors)("on the $name", ({ execute, tolerance }) => {
  test.each(cases)("%s", async (_title, figures) => {
    const { weights, initial, gradients, lengths } = figures;
    const imported = fromPyTorch(weights, "figures", { cell: figures.cell });
    expect(imported).toMatchObject({ cell: figures.cell });
    const parameters = toParameters(imported);
    const { graph, paths, states, given } = graphOf(figures, imported);
    const results = await execute(graph, [
      ...paths.map((path) => parameters[path] as NdArray),
      ...given.map((name) => initial[name] as NdArray),
      figures.x,
      figures.w,
      ndarray([lengths.length], lengths, "i32"),
    ]);
    const [output, ...rest] = results as [NdArray, ...NdArray[]];
    expect(errorOf(output, figures.output)).toBeLessThan(tolerance);
    for (const [i, name] of states.entries())
      expect(errorOf(at(rest, i), figures.final[name] as NdArray)).toBeLessThan(tolerance);
    const [loss, ...gradient] = rest.slice(states.length) as [NdArray, ...NdArray[]];
    expect(errorOf(loss, fromNested(figures.loss))).toBeLessThan(tolerance);
    expect(errorOf(at(gradient, paths.length), figures.gradientX)).toBeLessThan(tolerance);
    // The gradient has the layout of the weights: written as weights are, it is PyTorch's own.
    const own = Object.fromEntries(paths.map((path, i) => [path, at(gradient, i)]));
    const written = toPyTorch(fromParameters(own, "gradient"));
    for (const [name, wanted] of Object.entries(gradients)) {
      // Where two biases act as their sum, each has the gradient of the sum, which is written to the first.
      const summed = name.startsWith("bias_hh") && figures.cell !== "gru-reset-after";
      const found = written[summed ? name.replace("_hh", "_ih") : name] as NdArray;
      if (name.startsWith("bias_hh") && !summed) {
        const units = imported.units;
        const candidate = (array: NdArray) => ndarray([units], array.data.slice(2 * units));
        expect(errorOf(candidate(found), candidate(wanted)), name).toBeLessThan(tolerance);
      } else expect(errorOf(found, wanted), name).toBeLessThan(tolerance);
    }
  });
});
