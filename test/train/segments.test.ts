/** @file Sequences in segments of time: the same loss and gradient as whole sequences, in less memory. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { lstm } from "../../cells/lstm.ts";
import { minGru } from "../../cells/min-gru.ts";
import { buildProgram } from "../../compiler/compile.ts";
import { planCpuProgram } from "../../compiler/compile-cpu.ts";
import { scan } from "../../compiler/dsl/cell.ts";
import { dense } from "../../compiler/dsl/dense.ts";
import { evaluateShape } from "../../compiler/graph/dim.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { mean, square } from "../../compiler/ops/composed.ts";
import { dot, reduceMax } from "../../compiler/ops/contractions.ts";
import { add, cast, less, mul, sub } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { where } from "../../compiler/ops/logic.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { iota, zeros } from "../../compiler/ops/sources.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { tanh } from "../../compiler/ops/transcendental.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { broadcast, reshape, sum, transpose, zerosLike } from "../../compiler/ops/views.ts";
import { optimize } from "../../compiler/optimize.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { CompileOptions, Device } from "../../devices/device.ts";
import { openDevice } from "../../devices/open-device.ts";
import { lowerPaged } from "../../devices/paged-program.ts";
import { countWork } from "../../runtime/count-work.ts";
import { partsOf } from "../../train/arena.ts";
import { classifierModel } from "../../train/classifier.ts";
import { fittedStep } from "../../train/memory-budget.ts";
import { languageModel, regressionModel, seriesModel } from "../../train/networks.ts";
import { type Objective, objective } from "../../train/objective.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { createTrainer } from "../../train/trainer.ts";
import { evaluationStep, gradientStep, type TrainingStep, trainingStep } from "../../train/training-step.ts";
import { long, slow, slowUnless } from "../support/some-of.ts";
import { devices, difference } from "./devices.ts";

type Float = Tensor<"f32">;

/** A loss that reads steps in every way that segments allow: by number, under lengths, as maxima, at the end, batch first. */
function manyReads(): Objective {
  const sequence = { dtype: "f32", shape: ["B", "T", 3] } as const;
  const lengths = { dtype: "i32", shape: ["B"] } as const;
  return objective("reads", { sequence, lengths }, ({ sequence: given, lengths: count }) => {
    const x = transpose(given, [1, 0, 2]);
    const shape = x.shape.slice(0, 2);
    const time = iota(shape, 0);
    const inside = less(time, broadcast(count, shape));
    const numbered = add(x, broadcast(reshape(mul(cast(time, "f32"), 0.01), [...shape, 1]), x.shape));
    const { outputs: states, state } = scan(gru(4), numbered, { mask: inside });
    const outputs = dense("out", states, 2);
    const masked = where(broadcast(reshape(inside, [...shape, 1]), outputs.shape), square(outputs), zerosLike(outputs));
    const last = slice(outputs, 0, -1, 1);
    const total = add(sum(masked), mean(square(last)));
    return add(total, add(sum(reduceMax(outputs, [0])), mean(square(sub(state.h, 0.3)))));
  });
}

const objectives: Readonly<Record<string, () => Objective>> = {
  "a text, two layers, dropout": () =>
    languageModel({ cell: lstm, units: 4, layers: 2, vocabulary: 7, embed: 3, dropout: 0.3 }),
  "a series": () => seriesModel({ cell: minGru, units: 4, layers: 1, features: 2 }),
  "weights of steps": () => regressionModel({ cell: gru, units: 3, layers: 1, features: 2, outputs: 1 }),
  "a class": () => classifierModel({ cell: gru, units: 3, layers: 1, classes: 3, reads: { features: 2 } }),
  "many reads": manyReads,
};

/** Numbers for the inputs of a graph; integers are below 3. */
function numbersFor(graph: Graph, sizes: Readonly<Record<string, number>>, seed: number): NdArray[] {
  return graph.inputs.map((id, input) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const numbers = evaluateShape(shape, sizes);
    const wave = (i: number) => Math.sin(1 + 7.3 * i + 3.1 * input + seed);
    const size = numbers.reduce((a, b) => a * b, 1);
    const isScale = inputName(graph, id) === "step";
    const data = Array.from({ length: size }, (_, i) =>
      dtype === "f32" ? (isScale ? 3 : wave(i) / 2) : Math.floor(1.5 + 1.49 * wave(i)),
    );
    return ndarray(numbers, data, dtype);
  });
}

describe("a graph in segments", () => {
  for (const [name, make] of Object.entries(objectives)) {
    test(`has the loss and the gradient of the whole: ${name}`, slowUnless(name === Object.keys(objectives)[1]), () => {
      const made = make();
      const graphs = { gradient: gradientStep(made).graph, evaluation: evaluationStep(made).graph };
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 1, max: 9 }),
          fc.nat(99),
          (length, steps, seed) => {
            fc.pre(steps <= length);
            const cut = { length, steps };
            const inSegments = {
              gradient: gradientStep(made, "f32", cut).graph,
              evaluation: evaluationStep(made, cut).graph,
            };
            for (const kind of ["gradient", "evaluation"] as const) {
              const inputs = numbersFor(graphs[kind], { T: length, B: 2 }, seed);
              const expected = interpret(graphs[kind], inputs);
              for (const graph of [verify(inSegments[kind]), verify(optimize(inSegments[kind]))]) {
                const found = interpret(graph, inputs);
                for (const [i, { data }] of expected.entries())
                  expect(difference(found[i]?.data ?? [], data)).toBeLessThan(1e-12);
              }
            }
          },
        ),
        { numRuns: 4 },
      );
    });
  }

  test("is refused with the line of what cannot be cut", () => {
    const both = () => {
      return objective("both", { x: { dtype: "f32", shape: ["T", "B", 2] } }, ({ x }) => {
        return mean(square(scan(gru(3), x, { reverse: true }).outputs));
      });
    };
    expect(() => gradientStep(both(), "f32", { length: 4, steps: 2 })).toThrow(
      /^the loop gru at .*segments\.test\.ts:\d+:\d+ runs backwards through time, so that its first step needs the last one$/,
    );
    const centred = objective("centred", { x: { dtype: "f32", shape: ["T", "B", 1] } }, ({ x }) => {
      return mean(square(dense("w", sub(x, mean(x, 0)), 1)));
    });
    expect(() => gradientStep(centred, "f32", { length: 4, steps: 2 })).toThrow(
      "reads at every step a value that is known only after the last one",
    );
    for (const cut of [
      { length: 4, steps: 0 },
      { length: 4, steps: 5 },
      { length: 4.5, steps: 1 },
    ]) {
      expect(() => gradientStep(manyReads(), "f32", cut)).toThrow("whole numbers { length, steps }");
    }
  });
});

test("a small table is multiplied once for a segment, and not for each of its symbols", () => {
  const network = languageModel({ cell: lstm, units: 4, layers: 1, vocabulary: 8, embed: 3 });
  const lookedUp = (steps: number) => {
    const { nodes } = optimize(gradientStep(network, "f32", { length: 64, steps }).graph);
    const [segments] = nodes.flatMap((node) => (node.op === "scan" && node.attrs.recompute ? [node.attrs.body] : []));
    const tables = segments?.nodes.flatMap(({ op, operands }) =>
      op === "gather" ? [segments.nodes[operands[0] ?? 0]?.op] : [],
    );
    return tables;
  };
  expect(lookedUp(8)).toContain("dot");
  expect(lookedUp(4)).not.toContain("dot");
});

describe("memory", () => {
  const wide = () => languageModel({ cell: lstm, units: 128, layers: 1, vocabulary: 64, embed: 64 });
  const update = { optimizer: adam(), clipNorm: 1 };
  const planners = {
    cpu: { kind: "cpu", lower: planCpuProgram },
    gpu: { kind: "gpu", lower: planProgram, limits: { bytes: Number.POSITIVE_INFINITY, bufferBytes: 2 ** 27 } },
  } as const;

  for (const [kind, planner] of Object.entries(planners)) {
    for (const [time, bytes] of [
      [10_000, 2 ** 28],
      [100_000, 2 ** 29],
    ] as const) {
      const options = time === 10_000 ? slow : long;
      test(`an LSTM of 128 units trains on ${time} steps within ${bytes / 2 ** 20} MiB on a ${kind}`, options, () => {
        const fitted = fittedStep(planner, wide(), update, {}, { bytes, batch: 16, time });
        const program = planner.lower(fitted.step.graph, { donate: fitted.step.donate });
        expect(countWork(program, { B: 16 }).bytes).toBe(fitted.bytes);
        expect(fitted.bytes).toBeLessThan(bytes);
        expect(fitted.segments?.length).toBe(time);
        const whole = trainingStep(wide(), update);
        const program2 = planner.lower(whole.graph, { donate: whole.donate });
        expect(countWork(program2, { B: 16, T: time }).bytes).toBeGreaterThan(3 * bytes);
      });
    }
  }

  test("of logits is that of a segment: a vocabulary of 50,000 needs less than a quarter of its logits", slow, () => {
    const large = languageModel({ cell: lstm, units: 512, layers: 1, vocabulary: 50_000, embed: 512 });
    const weights = large.specs.reduce((total, { shape }) => total + shape.reduce((a, b) => a * Number(b), 4), 0);
    const logits = 4 * 4096 * 50_000;
    // Parameters, gradient and two slots; logits and their gradient.
    const bytes = 4 * weights + (2 * logits) / 4;
    for (const planner of Object.values({ cpu: planners.cpu, gpu: { ...planners.gpu, limits: undefined } })) {
      const fitted = fittedStep(planner, large, update, {}, { bytes, batch: 16, time: 256 });
      expect(fitted.bytes).toBeLessThan(bytes);
      expect(fitted.segments?.steps).toBeGreaterThan(1);
    }
  });

  describe("of a vocabulary of 50,000, where a buffer has 128 MiB at most", () => {
    const large = () => languageModel({ cell: lstm, units: 512, layers: 1, vocabulary: 50_000, embed: 512 });
    const bufferBytes = 2 ** 27;
    const never = () => {
      throw new Error("nothing is loaded");
    };
    const loader = { lower: buildProgram, load: never, loadLater: never, bufferBytes };
    const lower = (graph: Graph, options: CompileOptions) => lowerPaged(graph, options, loader);
    const sizes = { B: 16, T: 256 };

    /** Bytes beside parameters, gradient and slots, each of which are in two buffers. */
    function othersOf(step: TrainingStep): number {
      const { graph, arena, donate } = step;
      const program = lower(graph, { donate, parts: partsOf(graph, arena), sizes });
      const bytes = program.buffers.map(({ size }) => 4 * Number(evaluateShape(size, {}).reduce((a, b) => a + b, 0)));
      expect(Math.max(...bytes)).toBeLessThanOrEqual(bufferBytes);
      for (const { bindings } of program.kernels) expect(bindings.length).toBeLessThanOrEqual(8);
      expect(program.inputs.filter(({ name }) => /^(parameters|slots)/.test(name)).length).toBe(6);
      return bytes.reduce((total, each) => total + each, 0) - 4 * 4 * arena.size;
    }
    const logits = 4 * 4096 * 50_000;

    test("needs an eighth of its logits and their gradient: these are computed in chunks of rows", long, () => {
      expect(othersOf(trainingStep(large(), update))).toBeLessThan((2 * logits) / 8);
      const planner = { kind: "gpu", lower, limits: { bytes: Number.POSITIVE_INFINITY, bufferBytes } } as const;
      expect(
        fittedStep(planner, large(), update, {}, { bytes: "auto", batch: 16, time: 256 }).segments,
      ).toBeUndefined();
    });

    test("needs less than a quarter of them in segments of time", slow, () => {
      expect(othersOf(trainingStep(large(), update, { length: 256, steps: 32 }))).toBeLessThan((2 * logits) / 4);
    });
  });

  test("is counted for each buffer where the device bounds them", slow, () => {
    const budget = { bytes: "auto", batch: 16, time: 4096 } as const;
    const fitted = fittedStep(planners.gpu, wide(), update, {}, budget);
    const program = planProgram(fitted.step.graph, { donate: fitted.step.donate });
    expect(fitted.segments).toBeDefined();
    for (const { size } of program.buffers)
      expect(evaluateShape(size, { B: 16 }).reduce((a, b) => a + 4 * b, 0)).toBeLessThan(2 ** 27);
    expect(fittedStep(planners.gpu, wide(), update, {}, { ...budget, time: 512 }).segments).toBeUndefined();
    expect(fittedStep(planners.cpu, wide(), update, {}, budget).segments).toBeUndefined();
  });

  test("that is too small is an error with what is needed", slow, () => {
    expect(() => fittedStep(planners.cpu, wide(), update, {}, { bytes: 2 ** 20, batch: 16, time: 1000 })).toThrow(
      /^a training step of 16 rows x 1000 steps needs at least [\d.]+ MiB, in segments of \d+ steps, and its memory is 1.0 MiB: lower/,
    );
  });
});

for (const { name, open, tolerance } of devices) {
  describe(`a trainer with little memory, ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test(
      "has the losses, weights, gradients and evaluations of one with enough",
      slowUnless(name === "interpreter"),
      async () => {
        const network = () => languageModel({ cell: lstm, units: 6, layers: 1, vocabulary: 5, embed: 3, dropout: 0.2 });
        const batches = [40, 40, 21].map((time, n) => {
          const symbols = (shift: number) => Array.from({ length: 2 * time }, (_, i) => (i * (n + 2) + shift) % 5);
          const of = (shift: number) => ndarray([time, 2], symbols(shift), "i32");
          return { x: of(0), targets: of(1), fresh: n === 0 };
        });
        const options = { seed: 3, learningRate: 0.05, clipNorm: 1 };
        const enough = await createTrainer(device, network(), options);
        const budget = { bytes: 35_000, batch: 2, time: 40 };
        const little = await createTrainer(device, network(), { ...options, memory: budget });
        // The interpreter has no programs, and needs no segments.
        expect(enough.segments).toBeUndefined();
        if (name !== "interpreter") expect(little.segments?.length).toBe(40);
        for (const batch of batches) {
          const [a, b] = [await enough.step(batch), await little.step(batch)];
          expect(difference([b.loss, b.gradientNorm], [a.loss, a.gradientNorm])).toBeLessThan(tolerance);
        }
        const [first] = batches;
        if (first === undefined) throw new Error("there is a batch");
        expect(difference([await little.evaluate(batches)], [await enough.evaluate(batches)])).toBeLessThan(tolerance);
        const [some, others] = [await enough.gradients(first), await little.gradients(first)];
        for (const [path, { data }] of Object.entries(some))
          expect(difference(others[path]?.data ?? [], data)).toBeLessThan(tolerance * 10);
        const weights = await little.parameters();
        for (const [path, { data }] of Object.entries(await enough.parameters()))
          expect(difference(weights[path]?.data ?? [], data)).toBeLessThan(tolerance * 10);
        enough.destroy();
        little.destroy();
      },
    );

    test("rejects a budget without sizes", async () => {
      const network = seriesModel({ cell: gru, units: 2, layers: 1, features: 1 });
      const wrong = { bytes: "some", batch: 1, time: 1 } as never;
      await expect(createTrainer(device, network, { memory: wrong })).rejects.toThrow(
        'createTrainer: memory.bytes is "some"; expected a number of bytes, or "auto"',
      );
      await expect(createTrainer(device, network, { memory: { bytes: 9, batch: 0, time: 1 } })).rejects.toThrow(
        "createTrainer: memory.batch is 0; expected a whole number from 1",
      );
    });
  });
}

test("a sum that a later stage of its step reads does not change before", async () => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [5, 3, 4] },
    { name: "w", dtype: "f32", shape: [4, 4] },
  ] as const;
  const graph = traceGraph("late", inputs, ([x, w]) => {
    const step = ([state]: readonly Float[], [now]: readonly Float[]) => {
      const product = dot(tanh(dot(now as Float, w as Float)), w as Float);
      return { carries: [add(state as Float, now as Float)], ys: [add(state as Float, tanh(product))] };
    };
    const { carries, ys } = scanTensors(step as never, [zeros([3, 4])], [x as Float]);
    return [...carries, ...ys];
  });
  const [x, w] = numbersFor(graph, {}, 1);
  const expected = interpret(graph, [x as NdArray, w as NdArray]);
  const device = await openDevice({ device: "cpu" });
  const executable = await device.compile(graph, { schedule: "stepwise" });
  const found = await Promise.all(executable.run({ x: x as NdArray, w: w as NdArray }).map((each) => each.read()));
  for (const [i, { data }] of expected.entries()) expect(difference(found[i]?.data ?? [], data)).toBeLessThan(1e-5);
  device.destroy();
});
