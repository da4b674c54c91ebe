/** @file The DSL: sharing of weights, masks and directions of a scan, and error messages. */
import { describe, expect, test } from "vitest";
import { lstm, rnn } from "../../cells/index.ts";
import { at } from "../../compiler/graph/errors.ts";
import { verify } from "../../compiler/ops/verify.ts";
import {
  add,
  cell,
  dense,
  fill,
  glorot,
  grad,
  interpret,
  model,
  mul,
  type NamedAval,
  type ParameterTensors,
  parameter,
  scan,
  scanTensors,
  scope,
  stopGradient,
  sum,
  type Tensor,
  traceGraph,
  valueAndGrad,
} from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { bool, evaluateAll, f32, type TensorFunction } from "../support/evaluate.ts";

type Float = Tensor<"f32">;

const x: NamedAval = { name: "x", dtype: "f32", shape: ["T", 2, 3] };

/** Gradients of sum(network(x)^2) by path, on random numbers that are equal for equal paths after renaming by `alias`. */
function gradients(network: (x: Float) => Float, alias: (path: string) => string = (path) => path) {
  const wrapped = model("network", network);
  const specs = wrapped.specs(x);
  const avals = [...specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape })), x];
  const graph = traceGraph("gradients", avals, (tensors) => {
    const parameters = Object.fromEntries(specs.map(({ path }, i) => [path, at(tensors, i) as Float]));
    const loss = (p: ParameterTensors) => {
      const y = wrapped.apply(p, at(tensors, specs.length) as Float);
      return sum(mul(y, y));
    };
    const { value, grad: slope } = valueAndGrad(loss)(parameters);
    return [value, ...specs.map(({ path }) => slope[path] as Float)];
  });
  const hash = (text: string) =>
    [...text].reduce((code, letter) => (Math.imul(code, 31) + letter.charCodeAt(0)) | 0, 7);
  const inputs = avals.map(({ name, shape }) =>
    randomFloats(
      generator(hash(alias(name))),
      shape.map((dim) => (dim === "T" ? 4 : Number(dim))),
    ),
  );
  const [value, ...slopes] = interpret(verify(graph), inputs);
  return { value: value?.data[0], byPath: new Map(specs.map(({ path }, i) => [path, [...at(slopes, i).data]])) };
}

describe("weights", () => {
  test("two stacked instances of one cell have separate weights", () => {
    const [first, second] = [rnn(3), rnn(3)];
    const { byPath } = gradients((xs) => scan(second, scan(first, xs).outputs).outputs);
    expect([...byPath.keys()]).toEqual([
      "rnn/hidden/kernel",
      "rnn/hidden/bias",
      "rnn_1/hidden/kernel",
      "rnn_1/hidden/bias",
    ]);
    expect(byPath.get("rnn/hidden/kernel")).not.toEqual(byPath.get("rnn_1/hidden/kernel"));
  });

  test("scopes name them", () => {
    const layers = [lstm(2), lstm(2)];
    const run = model("layers", (xs: Float) =>
      layers.reduce((y, layer, i) => scope(`layers/${i}`, () => scan(layer, y).outputs), xs),
    );
    const paths = run.specs(x).map(({ path }) => path);
    expect(paths).toContain("layers/0/lstm/forget/kernel");
    expect(paths).toContain("layers/1/lstm/forget/bias");
    expect(new Set(paths).size).toBe(16);
  });

  test("one instance used twice has one set of weights, whose gradient is the sum of the untied ones", () => {
    const [one, other] = [rnn(3), rnn(3)];
    const tied = gradients((xs) => scan(one, scan(one, xs).outputs).outputs);
    const untied = gradients(
      (xs) => scan(other, scan(one, xs).outputs).outputs,
      (path) => path.replace("rnn_1/", "rnn/"),
    );
    expect([...tied.byPath.keys()]).toEqual(["rnn/hidden/kernel", "rnn/hidden/bias"]);
    expect(untied.byPath.size).toBe(4);
    expect(tied.value).toBe(untied.value);
    for (const [path, slope] of tied.byPath) {
      const second = untied.byPath.get(path.replace("rnn/", "rnn_1/"));
      const sums = untied.byPath.get(path)?.map((value, i) => value + (second?.[i] ?? Number.NaN)) ?? [];
      expect(slope.length).toBe(sums.length);
      for (const [i, value] of slope.entries()) expect(value).toBeCloseTo(at(sums, i), 12);
    }
  });

  test("naming a parameter twice in a scope ties it", () => {
    const { byPath, value } = gradients((xs) =>
      add(dense("same", xs, 2, { bias: false }), dense("same", mul(xs, 2), 2, { bias: false })),
    );
    const tripled = gradients((xs) => dense("same", mul(xs, 3), 2, { bias: false }));
    expect([...byPath.keys()]).toEqual(["same/kernel"]);
    expect(value).toBeCloseTo(tripled.value ?? Number.NaN, 12);
    for (const [i, slope] of (byPath.get("same/kernel") ?? []).entries()) {
      expect(slope).toBeCloseTo(tripled.byPath.get("same/kernel")?.[i] ?? Number.NaN, 12);
    }
  });

  test("another shape under the same name is an error that shows both lines", () => {
    const network = model("clash", (xs: Float) => [dense("same", xs, 2), dense("same", xs, 4)]);
    expect(() => network.specs(x)).toThrow(
      /^parameter same\/kernel is \[3, 2\] at test\/dsl\/dsl\.test\.ts:\d+:\d+ and \[3, 4\] at test\/dsl\/dsl\.test\.ts:\d+:\d+: use another name/,
    );
  });

  test("a model names wrong parameters", () => {
    const network = model("given", (xs: Float) => dense("layer", xs, 2));
    const apply = (shape: readonly number[], path: string) => () =>
      traceGraph("f", [x, { name: "w", dtype: "f32", shape }], ([xs, w]) => [
        network.apply({ [path]: w as Float }, xs as Float),
      ]);
    expect(apply([3, 2], "other")).toThrow("parameter layer/kernel is not among those given");
    expect(apply([4, 2], "layer/kernel")).toThrow("parameter layer/kernel is [4, 2]; the model expects [3, 2]");
    expect(() => traceGraph("f", [x], () => [parameter("p", [1], glorot)])).toThrow(/only inside a model/);
  });
});

describe("a scan", () => {
  /** Adds x to its state; the output is ten times the new state. */
  const total = cell("total", { state: () => ({ s: [1] }) }, ({ x: now, s }) => {
    const next = add(s, now);
    return { state: { s: next }, output: mul(next, 10) };
  })(1);
  const xs = f32([
    [[1], [10]],
    [[2], [20]],
    [[4], [40]],
  ]);
  const run = (f: TensorFunction, ...args: Parameters<typeof evaluateAll>[1]) =>
    evaluateAll(
      ((...tensors: Float[]) => {
        const wrapped = model("run", (...inner: Float[]) => f(...(inner as never[])) as Float[]);
        return wrapped.apply({}, ...tensors);
      }) as TensorFunction,
      args,
    ).map(({ data }) => [...data]);

  test("runs forwards from zeros", () => {
    const results = run((s: Float) => {
      const { outputs, state } = scan(total, s);
      return [outputs, state.s];
    }, xs);
    expect(results).toEqual([
      [10, 100, 30, 300, 70, 700],
      [7, 70],
    ]);
  });

  test("runs in reverse, with outputs in the order of the inputs", () => {
    const results = run((s: Float) => {
      const { outputs, state } = scan(total, s, { reverse: true, initial: { s: fill([2, 1], 100) } });
      return [outputs, state.s];
    }, xs);
    expect(results).toEqual([
      [1070, 1700, 1060, 1600, 1040, 1400],
      [107, 170],
    ]);
  });

  test("freezes the state and outputs zeros where the mask is false", () => {
    const mask = bool([
      [1, 1],
      [0, 1],
      [1, 0],
    ]);
    const results = run(
      (s: Float, m: Tensor) => {
        const { outputs, state } = scan(total, s, { mask: m as Tensor<"bool"> });
        return [outputs, state.s];
      },
      xs,
      mask,
    );
    expect(results).toEqual([
      [10, 100, 0, 300, 50, 0],
      [5, 30],
    ]);
  });

  test("passes no gradient through a masked step", () => {
    const mask = bool([
      [1, 1],
      [0, 1],
      [1, 0],
    ]);
    const [slope] = run(
      (s: Float, m: Tensor) => {
        const last = (inputs: Float) => sum(scan(total, inputs, { mask: m as Tensor<"bool"> }).outputs);
        return [grad(last)(s)];
      },
      xs,
      mask,
    );
    expect(slope).toEqual([20, 20, 0, 10, 10, 0]);
  });

  test("reads a weight that it captures, whose gradient sums over time", () => {
    const [slope] = run(
      (s: Float, w: Float) => {
        const loss = (weight: Float) =>
          sum(
            at(
              scanTensors(
                ([h], [now]) => {
                  const next = add(h as Float, mul(now as Float, weight));
                  return { carries: [next], ys: [] };
                },
                [fill([2, 1], 0)],
                [s],
              ).carries as Float[],
              0,
            ),
          );
        return [grad(loss)(w)];
      },
      xs,
      f32(3),
    );
    expect(slope).toEqual([77]);
  });

  test("stopGradient on the state cuts off the past", () => {
    const cut = cell("cut", { state: () => ({ s: [1] }) }, ({ x: now, s }) => {
      const next = add(stopGradient(s), now);
      return { state: { s: next }, output: next };
    })(1);
    const [slope] = run((s: Float) => [grad((inputs: Float) => sum(scan(cut, inputs).state.s))(s)], xs);
    expect(slope).toEqual([0, 0, 0, 0, 1, 1]);
  });
});
