/**
 * @file TensorFlow.js on one of its backends: `tf.train.adam().minimize` on a loss written with its operations.
 *
 * The fastest form: TensorFlow.js executes operations eagerly, so fewer of them are faster. The inputs are multiplied with
 * the weights of all gates in one product before the loop (`tf.layers.lstm` does this in every step), gates that share an
 * operand share a product and are split afterwards, and long-lived tensors are outside of `tf.tidy`.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { NdArray } from "../../index.ts";
import type { Contender, Run } from "../measure/contender.ts";
import { cells, packedBias, packedKernel, parameterData, type Workload } from "../measure/workload.ts";

type Weights = Readonly<Record<string, tf.Variable>>;

/**
 * The wasm backend has no gradient of gather, so the lookup is a product with one-hot rows instead. The caller must import
 * the package of the backend.
 */
export function tensorFlowOn(backend: "webgpu" | "wasm" | "cpu"): Contender {
  const gathers = backend !== "wasm";
  return {
    name: "TensorFlow.js",
    work: gathers ? "gradient, Adam" : "gradient, Adam; tokens as one-hot rows",
    version: tf.version_core,
    open: async () => {
      if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js does not find ${backend} here`);
      await tf.ready();
    },
    adapter: () => tf.getBackend(),
    prepare: (workload) => prepare(workload, gathers),
  };
}

async function prepare(workload: Workload, gathers: boolean): Promise<Run> {
  const { batch, time, vocabulary, embed, units } = workload.sizes;
  const { gates } = cells[workload.cell];
  const initial: Record<string, tf.Tensor> = {
    table: tf.tensor(parameterData(workload, "embedding/table"), [vocabulary, embed]),
    wx: matrix(packedKernel(workload, gates, "x")),
    bias: tf.tensor(packedBias(workload, gates)),
    headKernel: tf.tensor(parameterData(workload, "head/kernel"), [units, vocabulary]),
    headBias: tf.tensor(parameterData(workload, "head/bias")),
    ...Object.fromEntries(
      recurrentKernels[workload.cell].map((names, i) => [`wh${i}`, matrix(packedKernel(workload, names, "h"))]),
    ),
  };
  const weights: Weights = Object.fromEntries(
    Object.entries(initial).map(([name, value]) => [name, tf.variable(value, true)]),
  );
  const indices = ({ data }: NdArray) => tf.tensor(Int32Array.from(data), [time * batch], "int32");
  const oneHot = (rows: NdArray) => tf.tidy(() => tf.oneHot(indices(rows), vocabulary).cast("float32"));
  const tokens = gathers ? indices(workload.x) : oneHot(workload.x);
  const targets = oneHot(workload.targets);
  const optimizer = tf.train.adam(1e-3, 0.9, 0.999, 1e-8);

  const loss = (): tf.Scalar => {
    const table = of(weights, "table");
    const embedded = gathers ? tf.gather(table, tokens) : tf.matMul(tokens, table);
    const inputs = tf.add(tf.matMul(embedded, of(weights, "wx")), of(weights, "bias"));
    const steps = tf.unstack(tf.reshape(inputs, [time, batch, gates.length * units]), 0);
    const hidden = tf.concat(loops[workload.cell](weights, steps, [batch, units]), 0);
    const logits = tf.add(tf.matMul(hidden, of(weights, "headKernel")), of(weights, "headBias"));
    return tf.neg(tf.div(tf.sum(tf.mul(tf.logSoftmax(logits), targets)), time * batch)) as tf.Scalar;
  };
  return {
    step: async () => {
      const value = optimizer.minimize(loss, true);
      if (value === null) throw new Error("TensorFlow.js returned no loss");
      // When the value arrives, all work enqueued before the read is done, including updates.
      const [number = Number.NaN] = await value.data();
      value.dispose();
      return number;
    },
    gradientNorm: async () => {
      const { value, grads } = tf.variableGrads(loss);
      value.dispose();
      let sum = 0;
      for (const gradient of Object.values(grads)) {
        for (const g of await gradient.data()) sum += g * g;
        gradient.dispose();
      }
      return Math.sqrt(sum);
    },
    dispose: () => {
      for (const variable of Object.values(weights)) variable.dispose();
      tokens.dispose();
      targets.dispose();
      optimizer.dispose();
    },
  };
}

function matrix({ data, shape }: { readonly data: Float32Array; readonly shape: readonly number[] }): tf.Tensor {
  return tf.tensor(data, [...shape]);
}

function of(weights: Weights, name: string): tf.Variable {
  const found = weights[name];
  if (found === undefined) throw new Error(`no weight ${name}`);
  return found;
}

/** Gates whose recurrent products share an operand, computed as one product each: `wh0`, `wh1`. */
const recurrentKernels: Readonly<Record<Workload["cell"], readonly (readonly string[])[]>> = {
  lstm: [["input", "forget", "output", "candidate"]],
  gru: [["update", "reset"], ["candidate"]],
  "minimal-gated-unit": [["forget"], ["candidate"]],
  "min-gru": [],
};

/** Returns the outputs [B, H] of every step from the input products [B, gates * H] of every step. */
type Loop = (w: Weights, inputs: readonly tf.Tensor[], state: [number, number]) => tf.Tensor[];

const loops: Readonly<Record<Workload["cell"], Loop>> = {
  lstm: (w, inputs, state) => {
    let h: tf.Tensor = tf.zeros(state);
    let c: tf.Tensor = tf.zeros(state);
    return inputs.map((x) => {
      const [i, f, o, g] = tf.split(tf.add(x, tf.matMul(h, of(w, "wh0"))), 4, 1) as Four;
      c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
      h = tf.mul(tf.sigmoid(o), tf.tanh(c));
      return h;
    });
  },
  gru: (w, inputs, [batch, units]) => {
    let h: tf.Tensor = tf.zeros([batch, units]);
    return inputs.map((x) => {
      const [gatesIn, candidateIn] = tf.split(x, [2 * units, units], 1) as Two;
      const [z, r] = tf.split(tf.sigmoid(tf.add(gatesIn, tf.matMul(h, of(w, "wh0")))), 2, 1) as Two;
      const n = tf.tanh(tf.add(candidateIn, tf.matMul(tf.mul(r, h), of(w, "wh1"))));
      // z h + (1 - z) n, with one operation less.
      h = tf.add(n, tf.mul(z, tf.sub(h, n)));
      return h;
    });
  },
  "minimal-gated-unit": (w, inputs, [batch, units]) => {
    let h: tf.Tensor = tf.zeros([batch, units]);
    return inputs.map((x) => {
      const [forgetIn, candidateIn] = tf.split(x, 2, 1) as Two;
      const f = tf.sigmoid(tf.add(forgetIn, tf.matMul(h, of(w, "wh0"))));
      const n = tf.tanh(tf.add(candidateIn, tf.matMul(tf.mul(f, h), of(w, "wh1"))));
      // (1 - f) h + f n, with one operation less.
      h = tf.add(h, tf.mul(f, tf.sub(n, h)));
      return h;
    });
  },
  "min-gru": (_w, inputs, [batch, units]) => {
    let h: tf.Tensor = tf.zeros([batch, units]);
    return inputs.map((x) => {
      const [zIn, n] = tf.split(x, [units, units], 1) as Two;
      // (1 - z) h + z n, with one operation less.
      h = tf.add(h, tf.mul(tf.sigmoid(zIn), tf.sub(n, h)));
      return h;
    });
  },
};

type Two = [tf.Tensor, tf.Tensor];
type Four = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
