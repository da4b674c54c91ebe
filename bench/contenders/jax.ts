/**
 * @file jax-js on its webgpu backend, with loss and gradient in one `jit` and no optimizer, or on its wasm backend, with
 * Adam in the same `jit`.
 *
 * The fastest form found by experiment: jax-js has no scan, so the loop over time is unrolled in one traced function. The
 * inputs are multiplied with the weights of all gates in one product over [time * batch] rows before the loop; gates that
 * share an operand share a product and are split afterwards. Tokens and weights stay on the device.
 */
import {
  blockUntilReady,
  defaultDevice,
  getWebGPUDevice,
  init,
  jit,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from "@jax-js/jax";
import type { NdArray } from "../../index.ts";
import type { Contender, Run } from "../measure/contender.ts";
import { cells, type Matrix, packedBias, packedKernel, parameterData, type Workload } from "../measure/workload.ts";

type Weights = { readonly [name: string]: np.Array };

const open = async (backend: "webgpu" | "wasm") => {
  const available = await init(backend);
  if (!available.includes(backend)) throw new Error(`jax-js does not find ${backend} here`);
  defaultDevice(backend);
};

export const jaxJs: Contender = {
  name: "jax-js",
  work: "gradient only",
  version: BENCH_VERSIONS.jax,
  open: () => open("webgpu"),
  adapter: () => {
    const info = getWebGPUDevice().adapterInfo;
    return `${info.vendor} ${info.architecture}`;
  },
  prepare: async (workload) => gradientRun(problemOf(workload)),
};

/** Trains with `learningRate`. The backend splits a kernel among threads if the host has `Worker`, as in pages. */
export const jaxJsWasm = (learningRate: number): Contender => ({
  name: "jax-js",
  work: "gradient, Adam; tokens as one-hot rows",
  version: BENCH_VERSIONS.jax,
  open: () => open("wasm"),
  adapter: () => `wasm, ${"Worker" in globalThis ? "workers" : "one thread"}`,
  prepare: async (workload) => adamRun(problemOf(workload), learningRate),
});

interface Problem {
  readonly weights: Weights;
  readonly tokens: np.Array;
  readonly targets: np.Array;
  readonly loss: (w: Weights, x: np.Array, y: np.Array) => np.Array;
}

function problemOf(workload: Workload): Problem {
  const { batch, time, vocabulary, embed, units } = workload.sizes;
  const { gates } = cells[workload.cell];
  const matrix = ({ data, shape }: Matrix) => np.array(data).reshape([...shape]);
  const recurrent = recurrentKernels[workload.cell].map((names) => matrix(packedKernel(workload, names, "h")));
  const weights: Weights = {
    table: np.array(parameterData(workload, "embedding/table")).reshape([vocabulary, embed]),
    wx: matrix(packedKernel(workload, gates, "x")),
    bias: np.array(packedBias(workload, gates)),
    headKernel: np.array(parameterData(workload, "head/kernel")).reshape([units, vocabulary]),
    headBias: np.array(parameterData(workload, "head/bias")),
    ...Object.fromEntries(recurrent.map((kernel, i) => [`wh${i}`, kernel])),
  };
  const rows = time * batch;
  const oneHot = (tokens: NdArray) =>
    nn.oneHot(np.array(Int32Array.from(tokens.data), { dtype: np.int32 }), vocabulary);
  const tokens = oneHot(workload.x);
  const targets = oneHot(workload.targets);

  const loss = (w: Weights, x: np.Array, y: np.Array): np.Array => {
    const embedded = np.matmul(x, of(w, "table"));
    const inputs = np
      .matmul(embedded, of(w, "wx"))
      .add(of(w, "bias"))
      .reshape([time, batch, gates.length * units]);
    const outputs = loops[workload.cell](w, np.unstack(inputs, 0), [batch, units]);
    const hidden = np.concatenate(outputs, 0);
    const logits = np.matmul(hidden, of(w, "headKernel")).add(of(w, "headBias"));
    return nn
      .logSoftmax(logits, -1)
      .mul(y)
      .sum()
      .mul(-1 / rows);
  };
  return { weights, tokens, targets, loss };
}

function gradientRun({ weights, tokens, targets, loss }: Problem): Run {
  const both = jit(valueAndGrad(loss));
  const evaluate = () => both(tree.ref(weights), tokens.ref, targets.ref);
  return {
    step: async () => {
      const [value, gradients] = evaluate();
      await blockUntilReady([value, ...tree.leaves(gradients)]);
      const [number = Number.NaN] = await value.data();
      tree.dispose(gradients);
      return number;
    },
    gradientNorm: async () => {
      const [value, gradients] = evaluate();
      value.dispose();
      let sum = 0;
      for (const leaf of tree.leaves(gradients)) for (const g of await leaf.data()) sum += g * g;
      return Math.sqrt(sum);
    },
    dispose: () => {
      both.dispose();
      tree.dispose(weights);
      tokens.dispose();
      targets.dispose();
    },
  };
}

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

function adamRun({ weights, tokens, targets, loss }: Problem, learningRate: number): Run {
  const names = Object.keys(weights);
  const zeros = () => Object.fromEntries(Object.entries(weights).map(([name, { shape }]) => [name, np.zeros(shape)]));
  const both = valueAndGrad(loss);
  /** `rates`: the learning rate over 1 - beta1^t, and 1 over 1 - beta2^t. */
  const update = (state: State, x: np.Array, y: np.Array, rates: readonly [np.Array, np.Array]): Updated => {
    const [value, gradients] = both(tree.ref(state.weights), x, y);
    const next: Record<keyof State, Record<string, np.Array>> = { weights: {}, means: {}, variances: {} };
    for (const name of names) {
      const gradient = of(gradients, name);
      const mean = of(state.means, name)
        .mul(beta1)
        .add(gradient.ref.mul(1 - beta1));
      const variance = of(state.variances, name)
        .mul(beta2)
        .add(gradient.ref.mul(gradient).mul(1 - beta2));
      const root = np.sqrt(variance.ref.mul(rates[1].ref)).add(epsilon);
      next.weights[name] = of(state.weights, name).sub(mean.ref.mul(rates[0].ref).div(root));
      next.means[name] = mean;
      next.variances[name] = variance;
    }
    for (const each of [gradients, state.weights, state.means, state.variances]) tree.dispose(each);
    for (const rate of rates) rate.dispose();
    return [value, next];
  };
  const compiled = jit(update);
  let state: State = { weights, means: zeros(), variances: zeros() };
  let steps = 0;
  const scalar = (value: number) => np.array(Float32Array.of(value));
  return {
    step: async () => {
      steps += 1;
      const rates = [scalar(learningRate / (1 - beta1 ** steps)), scalar(1 / (1 - beta2 ** steps))] as const;
      const [value, next] = compiled(state, tokens.ref, targets.ref, rates);
      state = next;
      await blockUntilReady([value, ...tree.leaves(next.weights)]);
      const [number = Number.NaN] = await value.data();
      return number;
    },
    gradientNorm: () => {
      throw new Error("the run with Adam does not compute a gradient norm");
    },
    dispose: () => {
      compiled.dispose();
      for (const each of [state.weights, state.means, state.variances]) tree.dispose(each);
      tokens.dispose();
      targets.dispose();
    },
  };
}

interface State {
  readonly weights: Weights;
  readonly means: Weights;
  readonly variances: Weights;
}
type Updated = [value: np.Array, next: State];

/** A new reference to a weight: every use of an array consumes one. */
function of(weights: Weights, name: string): np.Array {
  const found = weights[name];
  if (found === undefined) throw new Error(`no weight ${name}`);
  return found.ref;
}

/** Gates whose recurrent products share an operand, computed as one product each: `wh0`, `wh1`. */
const recurrentKernels: Readonly<Record<Workload["cell"], readonly (readonly string[])[]>> = {
  lstm: [["input", "forget", "output", "candidate"]],
  gru: [["update", "reset"], ["candidate"]],
  "minimal-gated-unit": [["forget"], ["candidate"]],
  "min-gru": [],
};

/** Returns the outputs [B, H] of every step from the input products [B, gates * H] of every step. Consumes the inputs. */
type Loop = (w: Weights, inputs: readonly np.Array[], state: number[]) => np.Array[];

const loops: Readonly<Record<Workload["cell"], Loop>> = {
  lstm: (w, inputs, state) => {
    let h = np.zeros(state);
    let c = np.zeros(state);
    const outputs = inputs.map((x) => {
      const [i, f, o, g] = four(x.add(np.matmul(h, of(w, "wh0"))));
      c = nn
        .sigmoid(f)
        .mul(c)
        .add(nn.sigmoid(i).mul(np.tanh(g)));
      h = nn.sigmoid(o).mul(np.tanh(c.ref));
      return h.ref;
    });
    h.dispose();
    c.dispose();
    return outputs;
  },
  gru: (w, inputs, [batch = 0, units = 0]) => {
    let h = np.zeros([batch, units]);
    const outputs = inputs.map((x) => {
      const [gatesIn, candidateIn] = two(x, 2 * units);
      const [zIn, rIn] = two(gatesIn.add(np.matmul(h.ref, of(w, "wh0"))), units);
      const z = nn.sigmoid(zIn);
      const n = np.tanh(candidateIn.add(np.matmul(nn.sigmoid(rIn).mul(h.ref), of(w, "wh1"))));
      h = z.ref.mul(h).add(np.subtract(1, z).mul(n));
      return h.ref;
    });
    h.dispose();
    return outputs;
  },
  "minimal-gated-unit": (w, inputs, [batch = 0, units = 0]) => {
    let h = np.zeros([batch, units]);
    const outputs = inputs.map((x) => {
      const [forgetIn, candidateIn] = two(x, units);
      const f = nn.sigmoid(forgetIn.add(np.matmul(h.ref, of(w, "wh0"))));
      const n = np.tanh(candidateIn.add(np.matmul(f.ref.mul(h.ref), of(w, "wh1"))));
      h = np.subtract(1, f.ref).mul(h).add(f.mul(n));
      return h.ref;
    });
    h.dispose();
    return outputs;
  },
  "min-gru": (_w, inputs, [batch = 0, units = 0]) => {
    let h = np.zeros([batch, units]);
    const outputs = inputs.map((x) => {
      const [zIn, n] = two(x, units);
      const z = nn.sigmoid(zIn);
      h = np.subtract(1, z.ref).mul(h).add(z.mul(n));
      return h.ref;
    });
    h.dispose();
    return outputs;
  },
};

function two(x: np.Array, at: number): [np.Array, np.Array] {
  return np.split(x, [at], 1) as [np.Array, np.Array];
}

function four(x: np.Array): [np.Array, np.Array, np.Array, np.Array] {
  return np.split(x, 4, 1) as [np.Array, np.Array, np.Array, np.Array];
}
