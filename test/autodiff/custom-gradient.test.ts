/**
 * @file Functions with a custom vjp: values are those of the function, gradients those of the vjp, everywhere: in
 * loops, next to other ops, nested, in files, on devices and in ONNX. Forward mode throws an error.
 */
import { describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { withoutCustomGradients } from "../../compiler/passes/custom-gradients.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { unroll } from "../../compiler/passes/unroll.ts";
import { passes } from "../../compiler/plan-program.ts";
import { printGraph } from "../../entries/inspect.ts";
import {
  abs,
  add,
  cast,
  customGradient,
  div,
  exp,
  fill,
  type Graph,
  grad,
  interpret,
  jvp,
  less,
  matmul,
  mul,
  type NamedAval,
  ndarray,
  oneMinus,
  relu,
  round,
  scanTensors,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  where,
} from "../../index.ts";
import { decodeGraph, encodeGraph } from "../../train/files/graph-json.ts";
import { cpuExecutors } from "../support/cpu-executors.ts";
import { derivativeErrors, evaluate, evaluateAll, f32, i32 } from "../support/evaluate.ts";
import { executors } from "../support/executors.ts";
import { onnxRuntime } from "../support/onnx-executor.ts";

type Float = Tensor<"f32">;

/** A step function with the slope of a fast sigmoid, 1 / (1 + |v|)^2. */
const spike = customGradient(
  (v: Float) => cast(less(0, v), "f32"),
  (ct, v) => div(ct, square(add(1, abs(v)))),
);

/** Rounding with the gradient of the identity. */
const straightThrough = customGradient(
  (v: Float) => round(v),
  (ct) => ct,
);

/** x · y and x / y with their derivatives, the first written in another way. */
const both = customGradient(
  (x: Float, y: Float) => ({ product: mul(x, y), ratio: div(x, y) }),
  (ct, x, y) => [add(mul(ct.product, y), div(ct.ratio, y)), sub(mul(ct.product, x), div(mul(ct.ratio, x), square(y)))],
);

const slope = (f: (x: Float) => Float, places: readonly number[]) => [
  ...evaluate((x: Float) => grad((v: Float) => sum(f(v)))(x), [f32(places)]).data,
];

describe("a custom gradient", () => {
  test("values are the function's, gradients the vjp's", () => {
    expect([...evaluate((x: Float) => spike(x), [f32([-1, 0, 3])]).data]).toEqual([0, 0, 1]);
    expect(slope(spike, [-1, 0, 3])).toEqual([0.25, 1, 1 / 16]);
    expect(slope((x) => mul(straightThrough(x), 3), [0.4, 2.5])).toEqual([3, 3]);
  });

  test("several arguments and results: their cotangents arrive in one call", () => {
    const f = (x: Float, y: Float) => {
      const { product, ratio } = both(x, y);
      return add(tanh(product), mul(square(ratio), x));
    };
    const args = [f32([0.3, -1.2, 2.5]), f32([1.1, 0.4, -0.7])];
    const plain = (x: Float, y: Float) => add(tanh(mul(x, y)), mul(square(div(x, y)), x));
    const gradients = (g: typeof f) =>
      evaluateAll(
        (x: Float, y: Float) => grad((v: Float[]) => sum(g(v[0] as Float, v[1] as Float)))([x, y]),
        args,
      ).flatMap(({ data }) => [...data]);
    for (const [i, value] of gradients(f).entries()) expect(value).toBeCloseTo(at(gradients(plain), i), 12);
  });

  test("the vjp is called once, with the cotangents of all results, and zeros for unread ones", () => {
    let asked = 0;
    const counted = customGradient(
      (x: Float) => [mul(x, 2), mul(x, 3), mul(x, 5)],
      (cts) => {
        asked += 1;
        return relu(cts.reduce((a, b) => add(a, b)) as Float);
      },
    );
    // -2 + 3: relu of the sum, not the sum of the relus.
    const f = (x: Float) => {
      const [a, b] = counted(x);
      return add(mul(a as Float, -2), mul(b as Float, 3));
    };
    expect(slope(f, [1])).toEqual([1]);
    expect(asked).toBe(1);
  });

  test("arguments are trees, and integers get no gradient", () => {
    const chosen = customGradient(
      ({ a, b }: { a: Float; b: Float }, take: Tensor<"i32">) => where(less(0, take), a, b),
      (ct, { a }) => [{ a: mul(ct, a) }, undefined],
    );
    const [da, db] = evaluateAll(
      (a: Float, b: Float, take: Tensor<"i32">) => {
        const { a: first, b: second } = grad((both: { a: Float; b: Float }) => sum(chosen(both, take)))({ a, b });
        return [first, second];
      },
      [f32([7, 8]), f32([1, 2]), i32([1, 0])],
    );
    expect([[...(da?.data ?? [])], [...(db?.data ?? [])]]).toEqual([
      [7, 8],
      [0, 0],
    ]);
  });

  test("the second derivative goes through the vjp, and through what it reads from outside", () => {
    const f = (x: Float, scale: Float) =>
      customGradient(
        (v: Float) => exp(v),
        (ct, v) => mul(mul(ct, exp(v)), scale),
      )(x);
    const second = evaluateAll(
      (x: Float, scale: Float) =>
        grad((v: Float[]) => sum(grad((u: Float) => sum(f(u, v[1] as Float)))(v[0] as Float)))([x, scale]),
      [f32([0.5, 1]), f32(3)],
    ).map(({ data }) => [...data]);
    // The first derivative is 3 e^x: its derivative in x is the same by the rule of exp, in the scale it is e^x.
    expect(at(second, 0)[0]).toBeCloseTo(3 * Math.exp(0.5), 12);
    expect(at(second, 1)[0]).toBeCloseTo(Math.exp(0.5) + Math.exp(1), 12);
  });

  test("a path around it has its own gradient, even if it computes the same", () => {
    const f = (x: Float) =>
      add(
        exp(x),
        customGradient(
          (v: Float) => exp(v),
          (ct) => mul(ct, 10),
        )(x),
      );
    expect(at(slope(f, [0]), 0)).toBe(11);
  });

  test("calls of other arguments, or with another vjp, are apart", () => {
    const got = evaluateAll(
      (x: Float, y: Float) =>
        grad((v: Float[]) => sum(add(mul(spike(v[0] as Float), 2), mul(spike(v[1] as Float), 3))))([x, y]),
      [f32([0]), f32([1])],
    );
    expect(got.map(({ data }) => data[0])).toEqual([2, 0.75]);
    const times = (factor: number) =>
      customGradient(
        (v: Float) => exp(v),
        (ct) => mul(ct, factor),
      );
    expect(slope((x) => add(mul(times(5)(x), 2), times(7)(x)), [0])).toEqual([17]);
  });

  test("an argument may get none, and the next one its own", () => {
    const second = customGradient(
      (a: Float, b: Float) => mul(a, b),
      (ct, _, b) => [undefined, mul(ct, b)],
    );
    const got = evaluateAll(
      (x: Float, y: Float) => grad((v: Float[]) => sum(second(v[0] as Float, v[1] as Float)))([x, y]),
      [f32([3]), f32([5])],
    );
    expect(got.map(({ data }) => data[0])).toEqual([0, 5]);
  });

  test("the function can read a tensor from outside through stopGradient", () => {
    const scaled = (x: Float, w: Float) =>
      customGradient(
        (v: Float) => mul(v, stopGradient(w)),
        (ct) => ct,
      )(x);
    const got = evaluateAll(
      (x: Float, w: Float) => grad((v: Float[]) => sum(scaled(v[0] as Float, v[1] as Float)))([x, w]),
      [f32([2]), f32([5])],
    );
    expect(got.map(({ data }) => data[0])).toEqual([1, 0]);
  });
});

// -- in loops, and everywhere ---------------------------------------------------------------------------------------

const avals: readonly NamedAval[] = [
  { name: "x", dtype: "f32", shape: ["T", "B", 3] },
  { name: "v", dtype: "f32", shape: ["B", 3] },
  { name: "w", dtype: "f32", shape: [3] },
];
const inputs: readonly NdArray[] = [
  ndarray(
    [4, 2, 3],
    Array.from({ length: 24 }, (_, i) => Math.sin(1 + 3 * i)),
  ),
  ndarray([2, 3], [0.3, -0.4, 0.1, 0.8, -0.2, 0.6]),
  ndarray([3], [0.7, 1.1, -0.9]),
];

/** Integrate and fire: the vjp is in a loop, and a carry goes through it. */
function fired(x: Float, v: Float, w: Float): Float {
  const { carries, ys } = scanTensors(
    ([state], [now]) => {
      const next = add(mul(state as Float, 0.8), mul(now as Float, w));
      const spikes = spike(sub(next, 0.5));
      return { carries: [mul(next, oneMinus(spikes))], ys: [mul(spikes, tanh(next))] };
    },
    [v],
    [x],
  );
  return add(sum(square(at(ys, 0) as Float)), sum(mul(at(carries, 0) as Float, 0.3)));
}

/** The same by hand: the surrogate's slope times the change of v, a difference that is 0. */
function byHand(x: Float, v: Float, w: Float): Float {
  const surrogate = (u: Float) => {
    const now = stopGradient(u);
    const linear = div(sub(u, now), square(add(1, abs(now))));
    return add(cast(less(0, now), "f32"), linear);
  };
  const { carries, ys } = scanTensors(
    ([state], [now]) => {
      const next = add(mul(state as Float, 0.8), mul(now as Float, w));
      const spikes = surrogate(sub(next, 0.5));
      return { carries: [mul(next, oneMinus(spikes))], ys: [mul(spikes, tanh(next))] };
    },
    [v],
    [x],
  );
  return add(sum(square(at(ys, 0) as Float)), sum(mul(at(carries, 0) as Float, 0.3)));
}

const graphOf = (f: typeof fired): Graph =>
  traceGraph("fired", avals, ([x, v, w]) => [
    f(x as Float, v as Float, w as Float),
    ...grad((args: Float[]) => f(args[0] as Float, args[1] as Float, args[2] as Float))([x, v, w] as Float[]),
  ]);

const graph = graphOf(fired);
const meant = interpret(verify(graph), inputs);

function expectSame(got: readonly NdArray[], expected: readonly NdArray[], digits: number): void {
  expect(got.length).toBe(expected.length);
  for (const [i, { data }] of got.entries())
    for (const [k, value] of data.entries()) expect(value).toBeCloseTo(at([...at(expected, i).data], k), digits);
}

describe("in a loop", () => {
  test("gradients equal those of the surrogate written by hand", () => {
    expectSame(meant, interpret(graphOf(byHand), inputs), 12);
  });

  test("unrolled, with known sizes and after every pass it is the same", () => {
    const known = specialize(graph, { B: 2, T: 4 });
    expectSame(interpret(verify(known), inputs), meant, 12);
    expectSame(interpret(verify(unroll(known)), inputs), meant, 12);
    let current = graph;
    for (const pass of passes) {
      current = verify(pass.run(current));
      expectSame(interpret(current, inputs), meant, 11);
    }
    expect(printGraph(current)).not.toContain("customGradient");
  });

  test("it adds no kernel and no residual: the program is no larger than with the gradient written by hand", () => {
    const [own, hand] = [compileProgram(graph), compileProgram(graphOf(byHand))];
    const bytes = (program: typeof own) => program.buffers.flatMap(({ size }) => size).length;
    expect(own.kernels.length).toBeLessThanOrEqual(hand.kernels.length);
    expect(bytes(own)).toBeLessThanOrEqual(bytes(hand));
    // The forward loop stores what the gradient reads and nothing twice: v, its next value, and no copy of the spikes.
    const forward = at(
      graph.nodes,
      graph.nodes.findIndex(({ op }) => op === "scan"),
    );
    expect(forward.op === "scan" && forward.attrs.body.outputs.length).toBeLessThanOrEqual(6);
  });

  test("an argument that no derivative reads is not stored for the way back", () => {
    const growing = customGradient(
      (v: Float) => exp(v),
      (ct) => ct,
    );
    const { nodes } = traceGraph("rounded", avals.slice(0, 2), ([x, v]) => [
      grad((start: Float) => {
        const step = ([h]: readonly Tensor[], [now]: readonly Tensor[]) => {
          const next = add(matmul(h as Float, fill([3, 3], 0.2)), now as Float);
          return { carries: [next], ys: [square(growing(next))] };
        };
        return sum(at(scanTensors(step, [start], [x as Float]).ys, 0) as Float);
      })(v as Float),
    ]);
    // The carry, its y, and the result of the function.
    expect(nodes.flatMap((node) => (node.op === "scan" ? [node.attrs.body.outputs.length] : []))[0]).toBe(3);
  });

  test.each([...executors, ...cpuExecutors.slice(1), onnxRuntime])("$name computes it", async ({ execute }) => {
    expectSame(await execute(graph, inputs), meant, 5);
  });
});

describe("a graph with it", () => {
  const traced = traceGraph("f", avals, ([x, v, w]) => [fired(x as Float, v as Float, w as Float)]);

  test("is the same graph after writing and reading JSON", () => {
    const decoded = decodeGraph(encodeGraph(traced), ["B", "T"]);
    expect(printGraph(decoded)).toBe(printGraph(traced));
    expect(interpret(decoded, inputs)).toEqual(interpret(traced, inputs));
  });

  test("keeps its gradient in JSON: several results are still one call", () => {
    const aval = { dtype: "f32", shape: [3] } as const;
    const joint = traceGraph(
      "joint",
      [
        { name: "x", ...aval },
        { name: "y", ...aval },
      ],
      ([x, y]) => {
        const { product, ratio } = both(x as Float, y as Float);
        return [sum(mul(product, ratio))];
      },
    );
    const args = [ndarray([3], [1, 2, 3]), ndarray([3], [4, 5, 7])];
    expect(interpret(withoutCustomGradients(joint), args)).toEqual(interpret(joint, args));
    const calls = (g: Graph) => printGraph(g).match(/= customGradient\(/g)?.length;
    expect([calls(joint), calls(decodeGraph(encodeGraph(joint), []))]).toEqual([2, 2]);
  });

  test("is printed with the vjp below it", () => {
    const text = printGraph(traced);
    expect(text).toMatch(
      /= customGradient\(%\d+, %\d+\) \{outputs=1, args=1, captured=0, wanted=\[0\], index=0\}: f32\[B,3\]\n +graph vjp\(/,
    );
  });

  test.each<[string, (attrs: Record<string, unknown>) => void, RegExp]>([
    ["a result that there is not", (attrs) => Object.assign(attrs, { index: 1 }), /result 1 of 1 does not exist/],
    [
      "arguments that there are not",
      (attrs) => Object.assign(attrs, { args: 2 }),
      /operands do not fit a vjp of 2 inputs/,
    ],
    ["a cotangent of another argument", (attrs) => Object.assign(attrs, { wanted: [1] }), /expected none/],
    ["cotangents without arguments", (attrs) => Object.assign(attrs, { wanted: [] }), /1 cotangents for 0/],
    [
      "a vjp that is no graph",
      (attrs) => Object.assign((attrs.vjp as { nodes: { operands: number[] }[] }).nodes[2] ?? {}, { operands: [9] }),
      /does not come before it|operands/,
    ],
  ])("with %s is refused", (_, damage, message) => {
    const aval = { name: "x", dtype: "f32", shape: [2] } as const;
    const whole = traceGraph("f", [aval], ([x]) => [spike(x as Float)]);
    const json = JSON.parse(encodeGraph(whole)) as {
      graph: { nodes: { op: string; attrs: Record<string, unknown> }[] };
    };
    const node = json.graph.nodes.find(({ op }) => op === "customGradient");
    damage(node?.attrs ?? {});
    expect(() => decodeGraph(JSON.stringify(json), [])).toThrow(message);
  });
});

// -- what is wrong ----------------------------------------------------------------------------------------------------

describe("says what is wrong", () => {
  const x = f32([1, 2]);
  test.each<[string, (x: Float) => Tensor, RegExp]>([
    [
      "forward mode",
      (v) => jvp(spike)([v], [v]).tangent,
      /^customGradient at .*custom-gradient\.test\.ts:\d+:\d+: forward mode \(jvp\) does not go through it: only a vjp is given; take the gradient in reverse mode, with grad$/,
    ],
    [
      "a tensor from outside that is differentiated",
      (v) =>
        grad((u: Float) =>
          sum(
            customGradient(
              (s: Float) => mul(s, u),
              (ct) => ct,
            )(fill([2], 1)),
          ),
        )(v),
      /^customGradient at .*: the function reads a tensor from outside .*; make it an argument, or stop its gradient/,
    ],
    [
      "a shape",
      (v) =>
        customGradient(
          (s: Float) => s,
          (ct) => sum(ct),
        )(v),
      /the vjp returns f32\[\] as the cotangent of argument 0; expected f32\[2\]$/,
    ],
    [
      "no list",
      (v) => customGradient((a: Float, b: Float) => add(a, b), ((ct: Float) => ct) as never)(v, v),
      /the vjp returns .*; expected a list of 2, one for each argument$/,
    ],
    [
      "too few",
      (v) => customGradient((a: Float, b: Float) => add(a, b), ((ct: Float) => [ct]) as never)(v, v),
      /the vjp returns 1 cotangents; expected a list of 2, one for each argument$/,
    ],
    [
      "integers as a result",
      (v) =>
        customGradient(
          (s: Float) => cast(s, "i32"),
          () => undefined,
        )(v),
      /the function returns i32\[2\]; expected f32 \(cast it\)$/,
    ],
    [
      "a cotangent of integers",
      (v) =>
        customGradient(
          (n: Tensor<"i32">) => cast(n, "f32"),
          ((_: Float, n: Tensor<"i32">) => n) as never,
        )(cast(v, "i32")),
      /expected none, since it is not f32$/,
    ],
    ["no vjp", (v) => customGradient(spike, undefined as never)(v), /expected a function and its vjp$/],
  ])("%s", (_, f, message) => {
    expect(() => evaluate(f, [x])).toThrow(message);
  });

  test("an argument without a tangent needs no forward rule", () => {
    // Forward mode past it, not through it.
    const f = (v: Float, w: Float) => mul(spike(stopGradient(v)), w);
    const { data } = evaluate((v: Float, w: Float) => jvp(f)([v, w], [v, w]).tangent, [x, f32([3, 4])]);
    expect([...data]).toEqual([3, 4]);
  });
});

test("a correct vjp gives the first and second derivatives of its function", () => {
  const f = (v: Float, w: Float) => {
    const { product, ratio } = both(v, w);
    return add(product, tanh(ratio));
  };
  // Forward mode, which has no rule here, uses the plain function.
  const plain = derivativeErrors(
    (v, w) => add(mul(v as Float, w as Float), tanh(div(v as Float, w as Float))),
    [f32([0.3]), f32([1.4])],
  );
  expect(plain.reverse).toBeLessThan(1e-9);
  const second = (g: typeof f) =>
    evaluateAll(
      (v: Float, w: Float) =>
        grad((u: Float[]) => {
          const [dv, dw] = grad((s: Float[]) => sum(g(s[0] as Float, s[1] as Float)))(u) as [Float, Float];
          return add(sum(square(dv)), sum(mul(dw, 0.7)));
        })([v, w]),
      [f32([0.3]), f32([1.4])],
    ).map(({ data }) => data[0] ?? 0);
  const [own, right] = [second(f), second((v, w) => add(mul(v, w), tanh(div(v, w))))];
  for (const [i, value] of own.entries()) expect(value).toBeCloseTo(at(right, i), 12);
});
