/**
 * @file Dropout, zoneout and recurrent dropout: masks are equal on every executor and in both directions of
 * differentiation, expectations are preserved, and evaluation uses no random numbers.
 */
import { describe, expect, test } from "vitest";
import { gru, lstm, rnn } from "../../../cells/index.ts";
import {
  bernoulli,
  dropout,
  fork,
  type Randomness,
  randomness,
  recurrence,
  recurrent,
  recurrentDropout,
  stepKey,
  stepNumbers,
  variationalDropout,
  zoneout,
} from "../../../entries/layers.ts";
import { hyperparameter } from "../../../entries/population.ts";
import {
  add,
  cast,
  cell,
  dense,
  dot,
  fill,
  model,
  mul,
  ndarray,
  ones,
  reshape,
  scan,
  square,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../../index.ts";
import { generator, randomFloats } from "../../../testing/numbers/random-data.ts";
import { interpreter, smallTileCpuExecutors } from "../../support/cpu-executors.ts";
import { derivativeErrors, evaluateAll, type FloatFunction, type TensorFunction } from "../../support/evaluate.ts";
import { runModel } from "../../support/models.ts";

type Float = Tensor<"f32">;
const numbersOf = (f: TensorFunction, ...args: Parameters<typeof evaluateAll>[1]) =>
  evaluateAll(f, args).map(({ data }) => [...data]);
const random = (key = 1): Randomness => randomness(key);

/** Counts its steps; what zoneout skips it does not count. */
const counter = cell("counter", { state: () => ({ n: [64] }) }, ({ n }) => {
  const next = add(n, 1);
  return { state: { n: next }, output: next };
});

describe("dropout", () => {
  test("with a hyperparameter, outside of training, has the rate that it is given", () => {
    for (const layer of [dropout, variationalDropout])
      expect(numbersOf(() => layer(ones([4, 50]), hyperparameter("rate", 0.25), random(7)))).toEqual(
        numbersOf(() => layer(ones([4, 50]), 0.25, random(7))),
      );
  });

  test("preserves the expectation by scaling the other elements", () => {
    for (const rate of [0.1, 0.5, 0.9]) {
      const [values = []] = numbersOf(() => dropout(ones([5_000]), rate, random(7)));
      expect(new Set(values)).toEqual(new Set([0, 1 / (1 - rate)]));
      // Four standard deviations of the mean.
      const deviation = Math.sqrt(rate / (1 - rate) / values.length);
      expect(Math.abs(values.reduce((a, b) => a + b) / values.length - 1)).toBeLessThan(4 * deviation);
    }
  });

  test("the variational mask is constant over time, the other is not", () => {
    const shape = [6, 2, 16];
    const steps = (values: readonly number[]) =>
      Array.from({ length: 6 }, (_, t) => values.slice(t * 32, (t + 1) * 32).join());
    const [same = [], other = []] = numbersOf(() => [
      variationalDropout(ones(shape), 0.5, random()),
      dropout(ones(shape), 0.5, random()),
    ]);
    expect(new Set(steps(same)).size).toBe(1);
    expect(new Set(steps(other)).size).toBe(6);
    expect(new Set(same)).toEqual(new Set([0, 2]));
  });

  test("different keys and forks give different numbers, equal ones equal numbers", () => {
    const drawn = numbersOf(() =>
      [random(), random(), random(2), fork(random(), "a"), fork(random(), "b"), fork(fork(random(), "a"), "b")].map(
        (from) => dropout(ones([64]), 0.5, from),
      ),
    ).map((values) => values.join());
    expect(drawn[0]).toBe(drawn[1]);
    expect(new Set(drawn).size).toBe(5);
  });

  test("a key for each step of training, another for another seed", () => {
    const keys = evaluateAll(
      (() => {
        const scalar = (value: number) => fill([], value, "u32");
        return [0, 1, 2].flatMap((step) => [3, 4].map((seed) => stepKey(scalar(seed), scalar(step))));
      }) as TensorFunction,
      [],
    );
    expect(new Set(keys.map(({ data }) => data[0])).size).toBe(6);
  });

  test("in a loop the mask depends on the step's number", () => {
    const [values = []] = numbersOf(() => {
      const step = (state: readonly Tensor[], now: Tensor<"u32">) => ({
        state,
        output: dropout(ones([2, 32]), 0.5, random(), now),
      });
      return recurrence(step, [fill([2], 0)], stepNumbers(4, 2)).outputs;
    });
    expect(new Set([0, 1, 2, 3].map((t) => values.slice(t * 64, (t + 1) * 64).join())).size).toBe(4);
  });

  test("evaluation and a rate of 0 return x itself", () => {
    const graph = traceGraph("f", [{ name: "x", dtype: "f32", shape: [3, 2] }], ([x]) => [
      dropout(x as Float, 0.5),
      variationalDropout(x as Float, 0.5),
      dropout(x as Float, 0, random()),
    ]);
    expect(new Set(graph.outputs)).toEqual(new Set(graph.inputs));
  });

  test("an invalid rate is an error", () => {
    expect(() => numbersOf(() => dropout(ones([2]), 1, random()))).toThrow(
      /^dropout at .*: the rate is 1; expected a number from 0 to below 1$/,
    );
    expect(() => numbersOf(() => cast(bernoulli(random(), 1.5, [2]), "f32"))).toThrow(/expected a number from 0 to 1$/);
  });
});

describe("zoneout", () => {
  const counts = (from: Randomness | undefined, rate: number | { n: number }, time = 200) =>
    numbersOf(() =>
      model("m", (xs: Float) => {
        const { outputs, state } = scan(zoneout(counter(1), rate, from), xs);
        return [state.n, outputs];
      }).apply({}, fill([time, 2, 1], 0)),
    );

  test("keeps a state with its probability, independently for each unit and step", () => {
    const [kept = []] = counts(random(), 0.25);
    const deviation = Math.sqrt((0.25 * 0.75) / 200);
    for (const count of kept) expect(Math.abs(count / 200 - 0.75)).toBeLessThan(4.5 * deviation);
    expect(new Set(kept).size).toBeGreaterThan(5);
    const mean = kept.reduce((a, b) => a + b) / kept.length / 200;
    expect(Math.abs(mean - 0.75)).toBeLessThan((4 * deviation) / Math.sqrt(kept.length));
  });

  test("uses the expectation in evaluation", () => {
    const [state = [], outputs = []] = counts(undefined, 0.25, 4);
    expect(new Set(state)).toEqual(new Set([3]));
    expect(outputs.slice(0, 1).concat(outputs.slice(-1))).toEqual([0.75, 3]);
  });

  test("an output that is a state is that state with zoneout", () => {
    const [state = [], outputs = []] = counts(random(), 0.5, 3);
    expect(outputs.slice(-state.length)).toEqual(state);
  });

  test("does not change an output that is not a state", () => {
    const twice = cell("twice", { state: () => ({ n: [1] }) }, ({ x, n }) => {
      const next = add(add(n, 1), x);
      return { state: { n: next }, output: mul(next, 2) };
    });
    const [state, outputs] = numbersOf(() =>
      model("m", (xs: Float) => {
        const { outputs, state } = scan(zoneout(twice(1), 0.5), xs);
        return [state.n, outputs];
      }).apply({}, fill([3, 1, 1], 0)),
    );
    // n is half of the old and half of n + 1: 0.5, 1, 1.5; the output is twice n + 1 before that.
    expect([state, outputs]).toEqual([[1.5], [2, 3, 4]]);
  });

  test("each state has its own mask", () => {
    const pair = cell("pair", { state: () => ({ a: [64], b: [64] }) }, ({ a, b }) => {
      return { state: { a: add(a, 1), b: add(b, 1) }, output: a };
    });
    const [a = [], b = []] = numbersOf(() =>
      model("m", () => {
        const { state } = scan(zoneout(pair(1), 0.5, random()), fill([1, 1, 2], 0));
        return [state.a, state.b];
      }).apply({}),
    );
    expect(new Set([...a, ...b])).toEqual(new Set([0, 1]));
    expect(a).not.toEqual(b);
  });

  test("rates by name; an unknown state is an error", () => {
    expect(counts(random(), { n: 0 }, 3)[0]).toEqual(counts(undefined, 0, 3)[0]);
    expect(() => zoneout(lstm(2), { s: 0.1 } as never, undefined)).toThrow(
      /zoneout at .*: lstm has no state s; its states are c, h$/,
    );
  });
});

describe("recurrent dropout", () => {
  test("masks a state where it is multiplied with weights, and carries it over unmasked", async () => {
    const tiny = cell("tiny", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const next = add(mul(h, 0.5), tanh(dense("hidden", [x, mul(h, h)], units)));
      return { state: { h: next }, output: next };
    })(3);
    const xs = randomFloats(generator(1), [4, 2, 3]);
    const from = random(9);
    const { outputs } = await runModel(
      (inputs) => {
        const cellWith = recurrentDropout(tiny, 0.4, from);
        const { outputs: automatic } = scan(cellWith, inputs.xs as Float);
        const mask = mul(cast(bernoulli(fork(from, "h"), 0.6, [2, 3]), "f32"), 1 / 0.6);
        const { outputs: manual } = recurrence(
          (h: Float, x: Float) => {
            const dropped = mul(h, mask);
            const kernel = tiny.step(x, { h: dropped });
            // The step on the dropped state, with what is carried on put right.
            const next = add(kernel.output, mul(add(h, mul(dropped, -1)), 0.5));
            return { state: next, output: next };
          },
          fill([2, 3], 0),
          inputs.xs as Float,
        );
        return { loss: sum(square(automatic)), automatic, manual };
      },
      { xs },
    );
    const [automatic, manual] = [[...(outputs.automatic?.data ?? [])], [...(outputs.manual?.data ?? [])]];
    expect(Math.max(...automatic.map((value, i) => Math.abs(value - (manual[i] ?? Number.NaN))))).toBeLessThan(1e-12);
  });

  test("one mask for the sequence, or another at each step", () => {
    const echo = cell("echo", { state: () => ({ h: [64] }) }, ({ h }) => {
      const read = dense("read", h, 1, { bias: false });
      return { state: { h: fill(h.shape, 1) }, output: read };
    });
    const outputs = (each: "sequence" | "step") => {
      const [values = []] = numbersOf(() => {
        const xs = fill([6, 1, 1], 0);
        const run = model(
          "m",
          () =>
            scan(recurrentDropout(echo(1), 0.5, random(), { each }), xs, { initial: { h: fill([1, 64], 1) } }).outputs,
        );
        return run.apply({ "echo/read/kernel": fill([64, 1], 1) });
      });
      return new Set(values).size;
    };
    expect(outputs("sequence")).toBe(1);
    expect(outputs("step")).toBeGreaterThan(3);
  });

  test("does not mask products of states with each other", () => {
    const associative = cell("associative", { state: () => ({ h: [1, 7], memory: [7, 7] }) }, ({ h, memory }) => {
      const read = dot(h, memory);
      const written = dense("write", reshape(h, [1, 7]), 7, { bias: false });
      return { state: { h: read, memory }, output: written };
    });
    const [h = []] = numbersOf(() =>
      model("m", () => {
        const cellWith = recurrentDropout(associative(1), { h: 0.5 }, random());
        const initial = { h: fill([1, 1, 7], 1), memory: fill([1, 7, 7], 1) };
        return scan(cellWith, fill([1, 1, 1], 0), { initial }).state.h;
      }).apply({ "associative/write/kernel": fill([7, 7], 1) }),
    );
    // A masked sum would be even.
    expect(new Set(h)).toEqual(new Set([7]));
  });

  test("is the cell itself in evaluation", () => {
    const instance = gru(3);
    expect(recurrentDropout(instance, 0.5)).toBe(instance);
  });

  test("a state without a product with weights is an error", () => {
    const step = (rates: number | { c: number }) => () =>
      numbersOf(() =>
        model("m", () => scan(recurrentDropout(lstm(2), rates, random()), fill([1, 1, 2], 0)).outputs).apply({
          ...Object.fromEntries(
            ["forget", "input", "output", "candidate"].flatMap((gate) => [
              [`lstm/${gate}/kernel`, fill([4, 2], 0)],
              [`lstm/${gate}/bias`, fill([2], 0)],
            ]),
          ),
        }),
      );
    expect(step(0.5)).not.toThrow();
    expect(step({ c: 0.5 })).toThrow(
      /recurrentDropout at .*: no product with weights in lstm reads state c, so there is nothing to drop$/,
    );
  });
});

/** All kinds of draws at once: what each draws, and a loss of what they make of x. */
const everything = (inputs: Readonly<Record<string, Tensor>>) => {
  const from = randomness(inputs.key as Tensor<"u32">);
  const xs = inputs.xs as Float;
  const layer = recurrent(gru(3), { zoneout: 0.3, recurrentDropout: 0.4, each: "step" });
  const { outputs, state } = layer.run(variationalDropout(dropout(xs, 0.2, fork(from, "x")), 0.3, fork(from, "v")), {
    random: fork(from, "layer"),
  });
  const shape = xs.shape;
  const counted = scan(zoneout(counter(1), 0.4, from), xs);
  return {
    loss: add(sum(square(outputs)), sum(square(state.h as Float))),
    masks: cast(bernoulli(from, 0.37, shape), "f32"),
    variational: variationalDropout(ones(shape), 0.5, from),
    counted: counted.outputs,
    outputs,
  };
};
const inputs = { xs: randomFloats(generator(2), [5, 3, 2]), key: ndarray([], [4_000_000_007], "u32") };
const shapes = { xs: ["T", "B", 2] };

describe.each(smallTileCpuExecutors)("on $name", (executor) => {
  test("masks are exactly the interpreter's, and values and gradients agree", async () => {
    const [own, expected] = [
      await runModel(everything, inputs, { executor, shapes }),
      await runModel(everything, inputs, { shapes }),
    ];
    for (const name of ["masks", "variational", "counted"]) {
      expect([...(own.outputs[name]?.data ?? [])], name).toEqual([...(expected.outputs[name]?.data ?? [])]);
      expect(new Set(expected.outputs[name]?.data).size, name).toBeGreaterThan(1);
    }
    for (const kind of ["outputs", "gradients"] as const) {
      for (const [name, { data }] of Object.entries(expected[kind])) {
        const worst = Math.max(...data.map((value, i) => Math.abs(value - (own[kind][name]?.data[i] ?? Number.NaN))));
        expect(worst / Math.max(1, ...data.map(Math.abs)), name).toBeLessThan(executor.tolerance);
        // What is dropped is dropped everywhere.
        expect(
          own[kind][name]?.data.map((value) => Number(value === 0)),
          name,
        ).toEqual(data.map((value) => Number(value === 0)));
      }
    }
  });
});

test("the backward pass recomputes the masks: none is stored", async () => {
  let kept: string[] = [];
  const reading = {
    ...interpreter,
    execute: async (...[graph, values]: Parameters<typeof interpreter.execute>) => {
      const scans = graph.nodes.flatMap((node) => (node.op === "scan" ? [node.attrs] : []));
      const results = scans.flatMap(({ body }) => body.outputs.map((id) => body.nodes[id]?.aval.dtype ?? ""));
      kept = results.filter((dtype) => dtype !== "f32");
      expect(scans.filter(({ body }) => body.nodes.some(({ op }) => op === "randomBits")).length).toBeGreaterThan(2);
      return interpreter.execute(graph, values);
    },
  };
  await runModel(everything, inputs, { executor: reading, shapes });
  expect(kept).toEqual([]);
});

test("derivatives agree with differences and forward mode, to second order", () => {
  const layer = recurrent(rnn(2), { zoneout: { h: 0.3 }, recurrentDropout: 0.3, each: "step" });
  const run = model(
    "m",
    (xs: Float) => layer.run(variationalDropout(xs, 0.3, random(5)), { random: random(6) }).outputs,
  );
  const specs = run.specs({ dtype: "f32", shape: [2, 1, 1] });
  const f = ((xs: Float, ...weights: Float[]) =>
    run.apply(Object.fromEntries(specs.map(({ path }, i) => [path, weights[i] as Float])), xs)) as FloatFunction;
  const draw = generator(8);
  const args = [[2, 1, 1], ...specs.map(({ shape }) => shape)].map((shape) => randomFloats(draw, shape));
  const errors = derivativeErrors(f, args);
  expect(errors.reverse).toBeLessThan(1e-8);
  expect(errors.forward).toBeLessThan(1e-10);
  expect(errors.second).toBeLessThan(1e-8);
});
