/**
 * @file Reference results of PyTorch. Its cells, with two biases and stacked weight rows, are written here in the DSL; output,
 * final state, loss, gradients and five steps of Adam must equal those of PyTorch in float64.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { scalar, zeros } from "../../compiler/graph/ndarray.ts";
import { matmul } from "../../compiler/ops/contractions.ts";
import { verify } from "../../compiler/ops/verify.ts";
import {
  add,
  type CellDefinition,
  cell,
  div,
  exp,
  fromNested,
  glorot,
  mean,
  model,
  mul,
  type NamedAval,
  type NdArray,
  oneMinus,
  type ParameterTensors,
  parameter,
  type StepInput,
  scan,
  sigmoid,
  split,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  valueAndGrad,
} from "../../index.ts";
import { executors, interpreter } from "../support/executors.ts";
import { slowUnless } from "../support/some-of.ts";

type Float = Tensor<"f32">;
type Matrix = number[][];
type Sequence = number[][][];

interface Golden {
  readonly hidden: number;
  readonly weights: Readonly<Record<string, Matrix | number[]>>;
  readonly x: Sequence;
  readonly h0: Matrix;
  readonly c0?: Matrix;
  readonly output: Sequence;
  readonly final: Readonly<Record<string, Matrix>>;
  /** Weights of the outputs in `loss` = sum(w * output). */
  readonly w: Sequence;
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Sequence | Matrix | number[]>>;
  readonly adam: {
    readonly target: Sequence;
    readonly lr: number;
    readonly betas: readonly [number, number];
    readonly eps: number;
    /** Mean squared error before each step. */
    readonly loss: readonly number[];
    readonly weights_after: Readonly<Record<string, Matrix | number[]>>;
  };
}

/** W_ih x + b_ih and W_hh h + b_hh, split into the rows of each gate. */
function affine({ x, h, units, features }: StepInput<"h">, gates: number): { input: Float[]; recurrent: Float[] } {
  const apply = (operand: Float, width: number, suffix: string) => {
    const weight = parameter(`weight_${suffix}_l0`, [gates * units, width], glorot);
    const product = matmul(operand, transpose(weight));
    return split(add(product, parameter(`bias_${suffix}_l0`, [gates * units], glorot)), gates);
  };
  return { input: apply(x, features, "ih"), recurrent: apply(h, units, "hh") };
}

const torchRnn = cell("rnn", { state: ({ units }) => ({ h: [units] }) }, (step) => {
  const { input, recurrent } = affine(step, 1);
  const h = tanh(add(at(input, 0), at(recurrent, 0)));
  return { state: { h }, output: h };
});

const torchLstm = cell("lstm", { state: ({ units }) => ({ c: [units], h: [units] }) }, (step) => {
  const { input, recurrent } = affine(step, 4);
  const [i, f, g, o] = input.map((part, gate) => add(part, at(recurrent, gate))) as [Float, Float, Float, Float];
  const c = add(mul(sigmoid(f), step.c), mul(sigmoid(i), tanh(g)));
  const h = mul(sigmoid(o), tanh(c));
  return { state: { c, h }, output: h };
});

const torchGru = cell("gru", { state: ({ units }) => ({ h: [units] }) }, (step) => {
  const { input, recurrent } = affine(step, 3);
  const [r, z] = [0, 1].map((gate) => sigmoid(add(at(input, gate), at(recurrent, gate)))) as [Float, Float];
  const n = tanh(add(at(input, 2), mul(r, at(recurrent, 2))));
  const h = add(mul(oneMinus(z), n), mul(z, step.h));
  return { state: { h }, output: h };
});

/** Adam with its bias correction: Kingma & Ba 2015, algorithm 1. `step` is 1 at the first update. */
function adam(p: Float, g: Float, m: Float, v: Float, step: Float, { lr, betas: [b1, b2], eps }: Golden["adam"]) {
  const nextM = add(mul(m, b1), mul(g, 1 - b1));
  const nextV = add(mul(v, b2), mul(square(g), 1 - b2));
  const corrected = (moment: Float, beta: number) => div(moment, sub(1, exp(mul(step, Math.log(beta)))));
  const update = div(corrected(nextM, b1), add(sqrt(corrected(nextV, b2)), eps));
  return { p: sub(p, mul(update, lr)), m: nextM, v: nextV };
}

/** The graphs of one golden file, with batch and time as symbols, and its arrays in the order of their inputs. */
function graphsOf(definition: CellDefinition, golden: Golden) {
  const instance = definition(golden.hidden);
  const states = Object.keys(instance.stateShapes);
  const names = Object.keys(golden.weights);
  const run = model("torch", (x: Float, initial: ParameterTensors) => scan(instance, x, { initial }));

  const weights = names.map((name) => fromNested(golden.weights[name] ?? []));
  const sequence = (name: string, width: number): NamedAval => ({ name, dtype: "f32", shape: ["T", "B", width] });
  const weightAvals = (prefix: string): NamedAval[] =>
    names.map((name, i) => ({ name: prefix + name, dtype: "f32", shape: at(weights, i).shape }));
  const inputs: NamedAval[] = [
    ...weightAvals(""),
    sequence("x", golden.x[0]?.[0]?.length ?? 0),
    ...states.map((name): NamedAval => ({ name: `${name}0`, dtype: "f32", shape: ["B", golden.hidden] })),
    sequence("other", golden.hidden),
  ];
  const named = (tensors: readonly Tensor[]) =>
    Object.fromEntries(inputs.map(({ name }, i) => [name, at(tensors, i) as Float]));
  const forward = (leaves: ParameterTensors) => {
    const parameters = names.map((name) => [`${definition.cellName}/${name}`, leaves[name] as Float]);
    const initial = states.map((name) => [name, leaves[`${name}0`] as Float]);
    return run.apply(Object.fromEntries(parameters), leaves.x as Float, Object.fromEntries(initial));
  };

  const gradients = traceGraph("gradients", inputs, (tensors) => {
    const { other, ...leaves } = named(tensors);
    const { outputs, state } = forward(leaves);
    const { value, grad } = valueAndGrad((first: typeof leaves) => sum(mul(other as Float, forward(first).outputs)))(
      leaves,
    );
    const wrt = inputs.slice(0, -1).map(({ name }) => grad[name] as Float);
    return [outputs, ...states.map((name) => state[name] as Float), value, ...wrt];
  });

  const slots = [
    ...inputs,
    ...weightAvals("m."),
    ...weightAvals("v."),
    { name: "step", dtype: "f32", shape: [] } as const,
  ];
  const update = traceGraph("adam", slots, (tensors) => {
    const { other, ...leaves } = named(tensors);
    const parameters = Object.fromEntries(names.map((name) => [name, leaves[name] as Float]));
    const { value, grad } = valueAndGrad((first: typeof parameters) =>
      mean(square(sub(forward({ ...leaves, ...first }).outputs, other as Float))),
    )(parameters);
    const slot = (kind: number, i: number) => at(tensors, inputs.length + kind * names.length + i) as Float;
    const step = at(tensors, tensors.length - 1) as Float;
    const updated = names.map((name, i) =>
      adam(parameters[name] as Float, grad[name] as Float, slot(0, i), slot(1, i), step, golden.adam),
    );
    return [value, ...updated.map(({ p }) => p), ...updated.map(({ m }) => m), ...updated.map(({ v }) => v)];
  });
  const start = states.map((name) => fromNested((name === "h" ? golden.h0 : golden.c0) ?? []));
  return { gradients, update, names, states, weights, data: [fromNested(golden.x), ...start] };
}

/** Largest difference, each relative to max(1, |reference|). */
function errorOf(got: NdArray, reference: NdArray): number {
  expect(got.shape).toEqual(reference.shape);
  return Math.max(
    ...got.data.map((value, i) => {
      const wanted = reference.data[i] ?? Number.NaN;
      const error = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
      return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    }),
  );
}

const definitions: Readonly<Record<string, CellDefinition>> = {
  rnn: torchRnn as CellDefinition,
  lstm: torchLstm as CellDefinition,
  gru: torchGru as CellDefinition,
};

describe.each(executors)("on the $name", (executor) => {
  const { execute, tolerance } = executor;
  describe.each(Object.entries(definitions))("torch's %s", (name, definition) => {
    const file = new URL(`../golden/torch_${name}.json`, import.meta.url);
    const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
    const { gradients, update, names, states, weights, data } = graphsOf(definition, golden);

    const tier = slowUnless(executor === interpreter || name === "rnn");

    test("output, final state, loss and every gradient", tier, async () => {
      verify(gradients);
      const results = await execute(gradients, [...weights, ...data, fromNested(golden.w)]);
      const wanted = [
        golden.output,
        ...states.map((state) => golden.final[state] ?? []),
        golden.loss,
        ...[...names, "x", ...states.map((state) => `${state}0`)].map((key) => golden.gradients[key] ?? []),
      ].map((value) => fromNested(value));
      expect(results.length).toBe(wanted.length);
      const errors = results.map((result, i) => errorOf(result, at(wanted, i)));
      for (const error of errors) expect(error).toBeLessThan(tolerance);
    });

    test("five steps of Adam", tier, async () => {
      verify(update);
      const blank = weights.map(({ shape }) => zeros(shape));
      let state = [weights, blank, blank];
      for (const [step, loss] of golden.adam.loss.entries()) {
        const [parameters, ...slots] = state;
        const inputs = [
          ...(parameters ?? []),
          ...data,
          fromNested(golden.adam.target),
          ...slots.flat(),
          scalar(step + 1),
        ];
        const [value = scalar(Number.NaN), ...rest] = await execute(update, inputs);
        expect(errorOf(value, scalar(loss))).toBeLessThan(tolerance);
        state = [0, 1, 2].map((kind) => rest.slice(kind * names.length, (kind + 1) * names.length));
      }
      expect(golden.adam.loss.length).toBe(5);
      for (const [i, name] of names.entries()) {
        const wanted = fromNested(golden.adam.weights_after[name] ?? []);
        expect(errorOf(at(at(state, 0), i), wanted)).toBeLessThan(tolerance);
      }
    });
  });
});
