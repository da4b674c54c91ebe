/** @file Logits in chunks of rows: the same loss and gradient, and no value with an entry for each row and class. */
import { describe, expect, test } from "vitest";
import { lstm } from "../../cells/index.ts";
import { dense } from "../../compiler/dsl/dense.ts";
import { normal } from "../../compiler/dsl/initializers.ts";
import { parameter } from "../../compiler/dsl/parameters.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";
import { mean, square } from "../../compiler/ops/composed.ts";
import { gather, reduceMax } from "../../compiler/ops/contractions.ts";
import { add, cast, less, mul, sub } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { equal, where } from "../../compiler/ops/logic.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { iota } from "../../compiler/ops/sources.ts";
import { exp, log, tanh } from "../../compiler/ops/transcendental.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { broadcast, reshape, sum, transpose } from "../../compiler/ops/views.ts";
import { optimize } from "../../compiler/optimize.ts";
import { inRowChunks } from "../../compiler/passes/row-chunks.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { crossEntropy } from "../../train/losses/classification.ts";
import { logSumExp } from "../../train/losses/log-sum-exp.ts";
import { languageModel } from "../../train/networks.ts";
import { type Objective, objective } from "../../train/objective.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { evaluationStep, gradientStep, trainingStep } from "../../train/training-step.ts";
import { slow, slowUnless } from "../support/some-of.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;
type Targets = Tensor<"i32">;

const [time, batch, classes, units] = [5, 3, 40, 4];
const rows = time * batch;

/** A loss of logits [T, B, classes] of a small model. */
function lossOf(measure: (logits: Float, targets: Targets) => Float, count = classes): Objective {
  const shape = ["T", "B"] as const;
  return objective("of logits", { x: { dtype: "i32", shape }, targets: { dtype: "i32", shape } }, ({ x, targets }) => {
    const hidden = tanh(gather(parameter("table", [7, units], normal(0.5)), x));
    return measure(dense("head", hidden, count), targets);
  });
}

const perStep = (logits: Float, targets: Targets): Float => {
  const one = equal(broadcast(reshape(targets, [...targets.shape, 1]), logits.shape), iota(logits.shape, 2, "i32"));
  return sub(logSumExp(logits), sum(where(one, logits, 0), -1));
};

/** Losses that are taken, and in how many loops each. */
const losses: Readonly<Record<string, readonly [loops: number, Objective]>> = {
  "the mean of cross-entropies": [1, lossOf((logits, targets) => crossEntropy(logits, targets))],
  // The weights of the targets are added up over all rows before any gradient.
  "smoothed, with weights of classes and a mask": [
    2,
    lossOf((logits, targets) =>
      crossEntropy(logits, targets, {
        smoothing: 0.1,
        classWeights: Array.from({ length: classes }, (_, i) => 1 + (i % 3)),
        mask: less(targets, 30),
      }),
    ),
  ],
  "a loss of one's own": [1, lossOf((logits, targets) => mean(perStep(logits, targets)))],
  "one with a weight for each step": [
    1,
    lossOf((logits, targets) => sum(mul(perStep(logits, targets), add(cast(iota(targets.shape, 0), "f32"), 1)))),
  ],
  "a squared norm": [1, lossOf((logits) => mean(square(logits)))],
  "the largest logit of each step": [1, lossOf((logits) => mean(square(reduceMax(logits, -1))))],
  "a power of the mean": [2, lossOf((logits, targets) => log(add(mean(exp(perStep(logits, targets))), 1)))],
  // Its gradient is shared by equal ones, which are counted first.
  "the largest logit of each class": [3, lossOf((logits) => mean(square(reduceMax(logits, [0, 1]))))],
  // As many parts of classes as there are rows: a sum over all rows has the shape of rows.
  "a sum over rows, of as many entries": [
    2,
    lossOf((logits) => mean(square(sum(reshape(logits, ["B*T", rows, 3]), [0]))), 3 * rows),
  ],
  "some of the classes": [1, lossOf((logits) => mean(square(slice(logits, 2, 3, classes - 5))))],
};

const sizes = { T: time, B: batch };

function numbersFor(graph: Graph): NdArray[] {
  return graph.inputs.map((id, input) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const wave = (i: number) => Math.sin(1 + 7.3 * i + 3.1 * input);
    const isPositive = /variance|step|learningRate/.test(inputName(graph, id));
    const count = sizeOfNumbers(shape.map(Number));
    const most = inputName(graph, id) === "targets" ? classes : 7;
    const data = Array.from({ length: count }, (_, i) =>
      dtype === "f32" ? (isPositive ? 1 + wave(i) ** 2 : wave(i)) : Math.floor(((wave(i) + 1) / 2.01) * most),
    );
    return dtype === "bool" ? ndarray([], [0], "bool") : ndarray(shape.map(Number), data, dtype);
  });
}

const loopsOf = ({ nodes }: Graph) => nodes.filter((node) => node.op === "scan" && node.attrs.body.name === "rows");

/** The largest value with rows, outside of loops. */
function widest({ nodes }: Graph): number {
  return Math.max(
    ...nodes.flatMap(({ aval: { shape } }) => (shape.includes(classes) ? [sizeOfNumbers(shape.map(Number))] : [])),
  );
}

describe("logits in chunks of rows", () => {
  for (const [name, [loops, made]] of Object.entries(losses))
    test(
      `have the loss and the gradient of all at once: ${name}`,
      slowUnless(Object.keys(losses).indexOf(name) % 3 === 0),
      () => {
        const graphs = [gradientStep(made).graph, evaluationStep(made).graph].map((graph) => specialize(graph, sizes));
        for (const [i, graph] of graphs.entries()) {
          const inputs = numbersFor(graph);
          const expected = interpret(graph, inputs);
          // Chunks of all sizes: 1 row, several with and without a remainder, half of all.
          // The gradient of the head, [4, 40], is in parts as well where it is larger.
          for (const most of [classes, 4 * classes, 6 * classes + 1, 11 * classes, rows * classes - 1]) {
            const found = inRowChunks(graph, { most });
            if (found === undefined) throw new Error("it is not found");
            const each = loopsOf(found).map((node) => (node.op === "scan" ? node.attrs.length : 0));
            expect(each.reduce<number>((total, length) => total + Number(length), 0)).toBeGreaterThan(1);
            if (i === 0 && rows % Number(each.at(-1)) === 0) expect(each.length).toBe(loops);
            for (const version of [verify(found), verify(optimize(found))]) {
              expect(widest(version)).toBeLessThan(rows * classes);
              for (const [output, { data }] of interpret(version, inputs).entries())
                expect(difference(data, at(expected, output).data)).toBeLessThan(1e-11);
            }
          }
        }
      },
    );

  test("are found in a whole training step, mixed precision included", slow, () => {
    const network = languageModel({ cell: lstm, units, layers: 1, vocabulary: classes, embed: 3 });
    for (const precision of ["f32", "mixed"] as const) {
      const options = { optimizer: adam(), clipNorm: 1, accumulate: 2, precision } as const;
      const graph = specialize(trainingStep(network, options).graph, sizes);
      const found = inRowChunks(graph, { most: rows * classes - 1 });
      if (found === undefined) throw new Error("it is not found");
      expect(loopsOf(found).length).toBeGreaterThan(0);
      const inputs = numbersFor(graph);
      for (const [i, { data }] of interpret(graph, inputs).entries())
        expect(difference(at(interpret(found, inputs), i).data, data)).toBeLessThan(1e-10);
    }
  });
});

describe("a graph is left as it is", () => {
  const untouched = (graph: Graph, most = rows * classes - 1) =>
    expect(inRowChunks(specialize(graph, sizes), { most })).toBeUndefined();

  test("if logits fit", () => untouched(gradientStep(at(Object.values(losses), 0)[1]).graph, rows * classes));

  test("if logits are a result", () => {
    const network = languageModel({ cell: lstm, units, layers: 1, vocabulary: classes, embed: 3 });
    const { graph } = gradientStep(network);
    const logits = graph.nodes.findIndex(({ aval: { shape } }) => shape.length === 3 && shape[2] === classes);
    untouched({ ...graph, outputs: [...graph.outputs, logits] });
  });

  test("if a loss mixes rows: a softmax over time, a product with all rows", () => {
    untouched(
      gradientStep(lossOf((logits) => mean(square(sub(logits, broadcast(mean(logits, 0), logits.shape)))))).graph,
    );
    untouched(gradientStep(lossOf((logits) => mean(square(reduceMax(logits, [0]))))).graph);
    untouched(gradientStep(lossOf((logits) => mean(square(sum(transpose(logits, [1, 0, 2]), [0]))))).graph);
    untouched(
      gradientStep(lossOf((logits) => mean(square(sub(slice(logits, 0, 1, time - 1), slice(logits, 0, 0, time - 1))))))
        .graph,
    );
  });
});
