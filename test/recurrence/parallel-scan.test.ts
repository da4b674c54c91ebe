/**
 * @file A loop as a graph of short loops: the interpreter gives the same numbers for both, for the loops of the zoo, for
 * random steps, for every length around the borders of chunks, and where maps of chunks overflow.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluateShape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, nodeAt, type ScanAttrs } from "../../compiler/graph/graph.ts";
import { emitScan } from "../../compiler/ops/scan.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { parallelScan, reasonAgainstParallel } from "../../compiler/recurrence/parallel-scan.ts";
import { Frame, within } from "../../compiler/trace/frame.ts";
import {
  add,
  concat,
  dot,
  gather,
  interpret,
  less,
  max,
  min,
  mul,
  type NdArray,
  ndarray,
  pad,
  reduceMax,
  scanTensors,
  scatterAdd,
  sigmoid,
  sin,
  slice,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
} from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { fewOf, slow } from "../support/some-of.ts";
import { loweredStep } from "./lowered-step.ts";

type Float = Tensor<"f32">;

/** A scan alone, as a graph of its operands. */
function asGraph(attrs: ScanAttrs): Graph {
  const frame = new Frame("loop");
  return within(frame, () => {
    const operands = attrs.body.inputs.map((id, i) => {
      const { dtype, shape } = nodeAt(attrs.body, id).aval;
      const isX = i >= attrs.consts + attrs.carries;
      return frame.input(`operand${i}`, { dtype, shape: isX ? [attrs.length, ...shape] : shape });
    });
    const { carries, ys } = emitScan(attrs, operands);
    return frame.finish(
      operands.map(({ id }) => id),
      [...carries, ...ys],
    );
  });
}

const scansOf = (graph: Graph) => graph.nodes.flatMap((node) => (node.op === "scan" ? [node.attrs] : []));

function numbersFor(graph: Graph, sizes: Readonly<Record<string, number>>): NdArray[] {
  const draw = generator(7);
  return graph.inputs.map((id) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const floats = randomFloats(draw, evaluateShape(shape, sizes));
    if (dtype === "f32") return floats;
    return ndarray(
      floats.shape,
      floats.data.map((x) => (dtype === "bool" ? Number(x > 0) : Math.floor(Math.abs(x)))),
      dtype,
    );
  });
}

function farthest(results: readonly NdArray[], expected: readonly NdArray[]): number {
  let most = 0;
  for (const [i, { data }] of expected.entries())
    for (const [j, value] of data.entries()) {
      const other = Number(results[i]?.data[j]);
      if (!Object.is(other, value)) most = Math.max(most, Math.abs(other - value) / (1 + Math.abs(value)));
    }
  return Number.isNaN(most) ? Number.POSITIVE_INFINITY : most;
}

/** The largest difference between a loop and its parallel form, over lengths around the borders of chunks. */
function difference(attrs: ScanAttrs, steps: number, lengths: readonly number[], batch = 2): number {
  const loop = asGraph(attrs);
  const { graph, fallbacks } = parallelScan(attrs, steps);
  verify(graph);
  for (const { condition, scan } of fallbacks) {
    expect(nodeAt(graph, condition).aval).toEqual({ dtype: "bool", shape: [] });
    expect(nodeAt(graph, scan).op).toBe("scan");
  }
  const results = (of: Graph, inputs: readonly NdArray[]) => interpret(of, inputs).slice(0, loop.outputs.length);
  return Math.max(
    ...lengths.map((T) => {
      const inputs = numbersFor(loop, { B: batch, T });
      return farthest(results(graph, inputs), results(loop, inputs));
    }),
  );
}

const lengths = [1, 3, 4, 5, 9];

describe("loops of the zoo", () => {
  fewOf(["min-gru", "min-lstm", "qrnn", "lru", "mlstm"], (_, i) => i === 0)("%s, forward and backward", (name) => {
    const scans = scansOf(loweredStep(name));
    expect(scans.map((attrs) => reasonAgainstParallel(attrs))).toEqual([undefined, undefined]);
    for (const attrs of scans) expect(difference(attrs, 4, lengths)).toBeLessThan(1e-12);
  });

  test.each(["sru", "indrnn"])("%s, backward only", (name) => {
    const [forward, backward] = scansOf(loweredStep(name));
    expect(forward && reasonAgainstParallel(forward)).toMatch(/^carry 0 is diagonal because of .*, cells\//);
    expect(backward && difference(backward, 4, lengths)).toBeLessThan(1e-12);
  });

  test("an LSTM has the reason why not", () => {
    expect(reasonAgainstParallel(at(scansOf(loweredStep("lstm")), 0))).toMatch(
      /^carry 0, carry 1 are dense because of dot, cells\/lstm\.ts:\d+:\d+$/,
    );
  });
});

type Step = (states: readonly [Float, Float, Float, ...Float[]], xs: readonly [Float, Float]) => readonly Float[];

/** A loop over two xs [T, ..shape] with states [..shape], which are ys too, before and after a tanh. */
function loopOf(states: number, step: Step, shape: readonly (number | string)[], reverse: boolean): ScanAttrs {
  const inputs = [
    ...Array.from({ length: states }, (_, i) => ({ name: `s${i}`, dtype: "f32", shape }) as const),
    ...["x", "y"].map((name) => ({ name, dtype: "f32", shape: ["T", ...shape] }) as const),
  ];
  const graph = traceGraph("loop", inputs, (all) => {
    const body = (carries: readonly Tensor[], xs: readonly Tensor[]) => {
      const next = step(carries as Parameters<Step>[0], xs as Parameters<Step>[1]);
      return { carries: next, ys: [...carries, ...next.map((s) => tanh(mul(s, 0.5)))] };
    };
    const { carries, ys } = scanTensors(body, all.slice(0, states), all.slice(states), { reverse });
    return [...carries, ...ys];
  });
  return at(scansOf(graph), 0);
}

const steps: readonly [string, number, Step][] = [
  ["an affine state", 1, ([s], [x, y]) => [add(mul(s, x), y)]],
  ["a reset, subtracted", 1, ([s], [x, y]) => [where(less(x, 0), y, sub(y, mul(s, 0.5)))]],
  ["a mask", 1, ([s], [x, y]) => [where(less(x, 0), s, add(mul(s, x), y))]],
  ["a rotation", 2, ([a, b], [x, y]) => [sub(mul(a, x), mul(b, y)), add(mul(a, y), mul(b, x))]],
  ["a ring of three", 3, ([a, b, c], [x, y]) => [mul(b, x), add(c, y), sub(mul(a, y), x)]],
  ["a running maximum", 1, ([s], [x, y]) => [max(add(s, x), y)]],
  ["a running minimum with resets", 1, ([s], [x, y]) => [where(less(x, 0), y, min(sub(s, x), y))]],
  ["a maximum of two", 2, ([a, b], [x, y]) => [max(a, add(b, x)), add(a, y)]],
  ["a maximum of two of one state", 1, ([s], [x, y]) => [max(max(add(s, x), y), max(sub(s, y), x))]],
  ["a maximum with a reset in it", 2, ([a, b], [x, y]) => [max(where(less(x, 0), a, y), b), where(less(y, 0), b, x)]],
  ["a maximum of a choice of two", 2, ([a, b], [x, y]) => [max(where(less(x, 0), add(a, y), b), x), sub(a, x)]],
  ["a delay line", 3, ([a, b], [x]) => [x, a, b]],
  ["one after the other", 3, ([a, b, c], [x, y]) => [max(add(a, x), y), add(mul(b, tanh(a)), y), add(mul(c, b), a)]],
];

describe.each([
  ["forward", false],
  ["in reverse", true],
] as const)("single steps, %s:", (_, reverse) => {
  fewOf(steps, (_, i) => i % 3 === 0)("%s", (_title, states, step) => {
    for (const [i, shape] of [["B", 3], ["B"], [3], [], ["B", 2, 3]].entries()) {
      const attrs = loopOf(states, step, shape, reverse);
      expect(reasonAgainstParallel(attrs)).toBeUndefined();
      const chunk = 1 + (i % 3);
      expect(difference(attrs, chunk, [1, chunk, chunk + 1, 2 * chunk, 5]), `${shape}`).toBeLessThan(1e-12);
    }
  });
});

test("everything else of a step, for all steps at once", () => {
  const inputs = [
    { name: "w", dtype: "f32", shape: [3, 2] },
    { name: "s", dtype: "f32", shape: [2, 3] },
    { name: "x", dtype: "f32", shape: ["T", 2, 3] },
    { name: "i", dtype: "i32", shape: ["T", 2] },
  ] as const;
  const graph = traceGraph("loop", inputs, ([w, s, xs, is]) => {
    const step = ([state]: readonly Tensor[], [row, index]: readonly Tensor[]) => {
      const [a, x, u] = [state as Float, row as Float, w as Float];
      const next = add(mul(a, x), 1);
      const ys = [
        transpose(next, [1, 0]),
        dot(a, u),
        dot(u, a),
        dot(a, x, { transposeB: true }),
        dot(x, next, { transposeA: true }),
        sum(mul(next, x), 0),
        reduceMax(a, 1),
        pad(slice(next, 1, 1, 2), 0, 1, 4),
        concat([a, x], 1),
        gather(u, index as Tensor<"i32">),
      ];
      return { carries: [next], ys };
    };
    const { carries, ys } = scanTensors(step, [s] as Tensor[], [xs, is] as Tensor[]);
    return [...carries, ...ys];
  });
  const attrs = at(scansOf(graph), 0);
  expect(reasonAgainstParallel(attrs)).toBeUndefined();
  for (const chunk of [1, 2, 3]) expect(difference(attrs, chunk, [1, 2, 5])).toBeLessThan(1e-12);
});

describe("maps that overflow", () => {
  /** Two states, of which the second reads the first, over factors that overflow together but not in a sequence. */
  const attrs = loopOf(2, ([a, b], [x, y]) => [mul(a, x), add(mul(b, x), mul(a, y))], [2], false);
  const factors = [1e200, 1e200, 1e-200, 1e-200, 1e200, 1e-200, 1, 1];
  const run = (graph: Graph, initial: readonly number[]) => {
    const states = [ndarray([2], initial), ndarray([2], [0, 0])];
    const xs = [factors.flatMap((x) => [x, x]), factors.map((_, i) => i % 3).flatMap((y) => [y, 0])];
    return interpret(graph, [...states, ...xs.map((x) => ndarray([factors.length, 2], x))]);
  };

  test.each([
    ["states of 0", [0, 0]],
    ["states that stay finite", [1e-200, -3e-150]],
  ])("leave %s to the loop", (_title, initial) => {
    const expected = run(asGraph(attrs), initial);
    expect(expected.every(({ data }) => [...data].every(Number.isFinite))).toBe(true);
    const { graph, fallbacks } = parallelScan(attrs, 4);
    expect(fallbacks).toHaveLength(2);
    const results = run(graph, initial);
    const conditions = results.slice(expected.length).filter((_, i) => i % 2 === 0);
    expect(conditions.map(({ data }) => data[0])).toEqual([1, 1]);
    for (const [i, { data }] of expected.entries()) expect([...(results[i]?.data ?? [])]).toEqual([...data]);
  });

  test("are no reason for a loop otherwise", () => {
    const results = interpret(parallelScan(attrs, 4).graph, numbersFor(asGraph(attrs), { T: 8 }));
    const conditions = results.slice(attrs.body.outputs.length).filter((_, i) => i % 2 === 0);
    expect(conditions.map(({ data }) => data[0])).toEqual([0, 0]);
  });
});

describe("Newton's method", () => {
  const diagonal: readonly [string, number, Step][] = [
    ["a sigmoid of the state", 1, ([s], [x, y]) => [add(mul(sigmoid(add(mul(s, 0.7), x)), mul(s, 0.5)), y)]],
    ["a rectifier", 1, ([s], [x, y]) => [max(add(mul(s, 0.6), x), mul(y, 0.1))]],
    ["two that read each other", 2, ([a, b], [x, y]) => [tanh(add(mul(a, 0.5), mul(b, x))), mul(tanh(a), y)]],
    ["one after an affine one", 2, ([a, b], [x, y]) => [add(mul(a, 0.5), x), tanh(add(mul(a, b), y))]],
  ];

  fewOf(diagonal, (_, i) => i === 0)("finds the states of %s", (_, states, step) => {
    for (const reverse of [false, true]) {
      const attrs = loopOf(states, step, ["B", 2], reverse);
      expect(reasonAgainstParallel(attrs)).toMatch(/diagonal because of/);
      expect(reasonAgainstParallel(attrs, true)).toBeUndefined();
      expect(difference(attrs, 3, [1, 4, 14])).toBeLessThan(1e-9);
      const { graph } = parallelScan(attrs, 3);
      const results = interpret(graph, numbersFor(asGraph(attrs), { B: 2, T: 14 }));
      const conditions = results.slice(attrs.body.outputs.length).filter((_, i) => i % 2 === 0);
      expect(conditions.map(({ data }) => data[0])).toEqual(conditions.map(() => 0));
      expect(conditions.length).toBeGreaterThan(0);
    }
  });

  test("leaves states that remember too much to the loop", () => {
    // A chaotic map: no round makes more than one step exact, and none of its maps overflows.
    const attrs = loopOf(1, ([s], [x]) => [sin(add(mul(8, s), x))], [1], false);
    const inputs = [ndarray([1], [0.3]), ...[0, 1].map(() => ndarray([40, 1], new Float64Array(40)))];
    const { graph, fallbacks } = parallelScan(attrs, 4);
    expect(fallbacks).toHaveLength(1);
    const [results, expected] = [interpret(graph, inputs), interpret(asGraph(attrs), inputs)];
    expect(results.at(-2)?.data[0]).toBe(1);
    for (const [i, { data }] of expected.entries()) expect([...(results[i]?.data ?? [])]).toEqual([...data]);
  });
});

describe("refuses", () => {
  const reason = (step: Step, states = 1) => reasonAgainstParallel(loopOf(states, step, ["B", 3], false));

  test("a nonlinear state, with its op", () => {
    expect(reason(([s], [x]) => [tanh(add(s, x))])).toMatch(/^carry 0 is diagonal because of tanh/);
  });

  test("more than three states that depend on each other", () => {
    const ring: Step = ([a, b, c, d]: readonly Float[], [x]) => [b, c, d, mul(a as Float, x)].map((s) => s as Float);
    expect(reason(ring, 4)).toBe("carry 0, carry 1, carry 2, carry 3 depend on each other, and are more than 3");
  });

  test("states of integers", () => {
    const counting = traceGraph(
      "loop",
      [
        { name: "n", dtype: "i32", shape: [2] },
        { name: "x", dtype: "i32", shape: ["T", 2] },
      ],
      ([n, xs]) =>
        scanTensors(
          ([a], [x]) => ({ carries: [add(a as Tensor<"i32">, x as Tensor<"i32">)], ys: [] }),
          [n] as Tensor[],
          [xs] as Tensor[],
        ).carries,
    );
    expect(reasonAgainstParallel(at(scansOf(counting), 0))).toBe("carry 0 has dtype i32");
  });

  test("what has no value for all steps at once", () => {
    const inner = (s: Float) =>
      scanTensors(([a]) => ({ carries: [mul(a as Float, 2)], ys: [] }), [s], [], { length: 2 }).carries[0] as Float;
    expect(reason(([s], [x]) => [add(s, inner(x))])).toBe("a loop inside the loop");
    const looked = traceGraph(
      "loop",
      [
        { name: "s", dtype: "f32", shape: [2] },
        { name: "x", dtype: "f32", shape: ["T", 3, 2] },
        { name: "i", dtype: "i32", shape: ["T"] },
      ],
      ([s, x, i]) =>
        scanTensors(
          ([a], [table, row]) => ({ carries: [add(a as Float, gather(table as Float, row as Tensor<"i32">))], ys: [] }),
          [s] as Tensor[],
          [x, i] as Tensor[],
        ).carries,
    );
    expect(reasonAgainstParallel(at(scansOf(looked), 0))).toBe("a lookup in a table that changes");
    const scattered = traceGraph(
      "loop",
      [
        { name: "s", dtype: "f32", shape: [3, 2] },
        { name: "x", dtype: "f32", shape: ["T", 4, 2] },
        { name: "i", dtype: "i32", shape: ["T", 4] },
      ],
      ([s, x, i]) =>
        scanTensors(
          ([a], [rows, index]) => ({
            carries: [add(a as Float, scatterAdd(index as Tensor<"i32">, rows as Float, 3))],
            ys: [],
          }),
          [s] as Tensor[],
          [x, i] as Tensor[],
        ).carries,
    );
    expect(reasonAgainstParallel(at(scansOf(scattered), 0))).toBe("a scatterAdd in every step");
  });
});

test("random affine steps", slow, () => {
  const op = fc.record({
    op: fc.constantFrom("add", "sub", "scale", "choose", "swap"),
    from: fc.tuple(fc.nat(), fc.nat()),
  });
  fc.assert(
    fc.property(
      fc.array(op, { minLength: 2, maxLength: 8 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 4 }),
      (ops, reverse, chunk) => {
        const step: Step = (states, [x, y]) => {
          const values: Float[] = [states[0], states[1]];
          for (const { op: name, from } of ops) {
            const [a, b] = from.map((i) => at(values, i % values.length)) as [Float, Float];
            values.push(
              name === "add"
                ? add(a, mul(b, 0.5))
                : name === "sub"
                  ? sub(a, y)
                  : name === "scale"
                    ? mul(tanh(x), a)
                    : name === "choose"
                      ? where(less(y, 0), a, b)
                      : b,
            );
          }
          return values.slice(-2);
        };
        const attrs = loopOf(2, step, ["B", 2], reverse);
        fc.pre(reasonAgainstParallel(attrs) === undefined);
        expect(difference(attrs, chunk, [1, 3, 7])).toBeLessThan(1e-9);
      },
    ),
    { numRuns: 40, seed: 3 },
  );
});
