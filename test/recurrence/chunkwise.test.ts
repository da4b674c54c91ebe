/**
 * @file Loops over matrix memories in chunks: the interpreter gives the same values and gradients for both, for cells of the
 * zoo, for random steps of this form, at every length around the borders of chunks.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gatedDeltaNet, gatedLinearAttention, mlstm } from "../../cells/zoo.ts";
import { graphVjp } from "../../compiler/autodiff/reverse.ts";
import { evaluateShape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { chunkwise, memoryLine, memoryReports } from "../../compiler/recurrence/chunkwise.ts";
import {
  add,
  broadcast,
  type CellDefinition,
  concat,
  div,
  dot,
  fill,
  interpret,
  less,
  model,
  mul,
  type NamedAval,
  type NdArray,
  ndarray,
  neg,
  outer,
  reshape,
  scan,
  scanTensors,
  sigmoid,
  slice,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  where,
} from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { fewOf, slow } from "../support/some-of.ts";

type Float = Tensor<"f32">;

/** (parameters…, x [T, B, features]) -> (outputs, final states…) of a cell. */
function loopOfCell(cell: CellDefinition, units: number, features: number, options: { reverse?: boolean } = {}): Graph {
  const x = { dtype: "f32", shape: ["T", "B", features] } as const;
  const run = model(
    "m",
    (x: Float) => scan(cell(units), x, options) as { outputs: Float; state: Record<string, Float> },
  );
  const specs = run.specs(x);
  const inputs: NamedAval[] = [
    ...specs.map(({ path, shape }) => ({ name: path, dtype: "f32" as const, shape })),
    { name: "x", ...x },
  ];
  return traceGraph("loop", inputs, (tensors) => {
    const parameters = Object.fromEntries(specs.map(({ path }, i) => [path, tensors[i] as Float]));
    const { outputs, state } = run.apply(parameters, tensors.at(-1) as Float);
    return [outputs, ...Object.values(state)];
  });
}

/** A graph with the cotangents of all its inputs; those of the results are further inputs. */
function withGradient(graph: Graph): Graph {
  const avals = (ids: readonly number[], what: string) =>
    ids.map((id, i): NamedAval => ({ name: `${what}${i}`, ...nodeAt(graph, id).aval }));
  return traceGraph("both", [...avals(graph.inputs, "in"), ...avals(graph.outputs, "ct")], (tensors) => {
    const given = tensors.slice(0, graph.inputs.length);
    const { outputs, pullback } = graphVjp(
      graph,
      given,
      given.map((x) => x.dtype === "f32"),
    );
    const cts = pullback(tensors.slice(graph.inputs.length) as Float[]);
    return [...outputs, ...cts.flatMap((ct) => (ct === undefined ? [] : [ct]))];
  });
}

function numbersFor(graph: Graph, sizes: Readonly<Record<string, number>>): NdArray[] {
  const draw = generator(7);
  return graph.inputs.map((id) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const floats = randomFloats(draw, evaluateShape(shape, sizes));
    return dtype === "f32"
      ? floats
      : ndarray(
          floats.shape,
          floats.data.map((x) => Number(x > 0)),
          dtype,
        );
  });
}

function farthest(results: readonly NdArray[], expected: readonly NdArray[]): number {
  expect(results.length).toBe(expected.length);
  let most = 0;
  for (const [i, { data }] of expected.entries())
    for (const [j, value] of data.entries())
      most = Math.max(most, Math.abs(Number(results[i]?.data[j]) - value) / (1 + Math.abs(value)));
  return Number.isNaN(most) ? Number.POSITIVE_INFINITY : most;
}

/** The largest difference between a loop and its form in chunks, values and gradients. */
function difference(loop: Graph, steps: number, lengths: readonly number[]): number {
  const chunked = chunkwise(loop, steps);
  verify(chunked);
  expect(chunked).not.toBe(loop);
  const [a, b] = [withGradient(chunked), withGradient(loop)];
  return Math.max(
    ...lengths.map((T) => {
      const inputs = numbersFor(b, { B: 2, T });
      return farthest(interpret(a, inputs), interpret(b, inputs));
    }),
  );
}

const lengths = [1, 4, 9];

describe("cells of the zoo", () => {
  const cells: readonly (readonly [string, CellDefinition])[] = [
    ["mlstm", mlstm() as CellDefinition],
    ["mlstm, 2 heads", mlstm({ heads: 2 }) as CellDefinition],
    ["gated linear attention", gatedLinearAttention() as CellDefinition],
    ["gated linear attention, 2 heads", gatedLinearAttention({ heads: 2 }) as CellDefinition],
    ["gated DeltaNet", gatedDeltaNet() as CellDefinition],
    ["gated DeltaNet, 2 heads", gatedDeltaNet({ heads: 2, width: 1 }) as CellDefinition],
  ];
  fewOf(cells, ([name]) => name === "gated linear attention")("%s", (_, cell) => {
    expect(difference(loopOfCell(cell, 8, 3), 4, lengths)).toBeLessThan(1e-10);
    expect(difference(loopOfCell(cell, 8, 3, { reverse: true }), 4, [5])).toBeLessThan(1e-10);
  });
});

const [heads, keys, values] = [2, 3, 5];

/** What a step reads: vectors and numbers for each head and row. */
interface Xs {
  readonly q: Float;
  readonly k: Float;
  readonly v: Float;
  /** [B, heads], numbers of both signs. */
  readonly a: Float;
  readonly b: Float;
}

type Step = (S: Float, xs: Xs, others: readonly Float[]) => readonly Float[];

/** A loop over S [B, heads, values, keys] and other states [B, heads, values]; a step returns all next states, then ys. */
function loopOf(step: Step, { others = 0, reverse = false } = {}): Graph {
  const shapes = {
    ...{ S: ["B", heads, values, keys], q: ["T", "B", heads, keys], k: ["T", "B", heads, keys] },
    ...{ v: ["T", "B", heads, values], a: ["T", "B", heads], b: ["T", "B", heads] },
    ...Object.fromEntries(Array.from({ length: others }, (_, i) => [`other${i}`, ["B", heads, values]])),
  };
  const inputs = Object.entries(shapes).map(([name, shape]): NamedAval => ({ name, dtype: "f32", shape }));
  return traceGraph("loop", inputs, (tensors) => {
    const [S, q, k, v, a, b, ...rest] = tensors as [Float, Float, Float, Float, Float, Float, ...Float[]];
    const { carries, ys } = scanTensors(
      ([memory, ...states], xs) => {
        const [q, k, v, a, b] = xs as [Float, Float, Float, Float, Float];
        const results = step(memory as Float, { q, k, v, a, b }, states as Float[]);
        return { carries: results.slice(0, 1 + others), ys: results.slice(1 + others) };
      },
      [S, ...rest],
      [q, k, v, a, b],
      { reverse },
    );
    return [...carries, ...ys];
  });
}

/** A number per matrix as a factor of it, or of vectors. */
const ofMatrix = (x: Float) => reshape(x, ["B", heads, 1, 1]);
const ofVector = (x: Float) => reshape(x, ["B", heads, 1]);
const read = (S: Float, q: Float) => reshape(dot(S, reshape(q, ["B", heads, keys, 1])), ["B", heads, values]);
const zeros = () => fill(["B", heads, values, keys], 0);

describe("steps of users", () => {
  test.each<[string, Step]>([
    ["nothing fades", (S, { q, k, v }) => [add(S, outer(v, k)), read(S, q)]],
    ["decays of any sign", (S, { q, k, v, a }) => [add(mul(S, ofMatrix(a)), outer(v, k)), read(S, q)]],
    [
      "decays of each key, and a product with dot",
      (S, { q, k, v }) => {
        const written = dot(reshape(v, ["B", heads, values, 1]), reshape(k, ["B", heads, keys, 1]), {
          transposeB: true,
        });
        const next = sub(mul(reshape(sigmoid(q), ["B", heads, 1, keys]), S), written);
        return [next, sum(mul(next, reshape(q, ["B", heads, 1, keys])), -1)];
      },
    ],
    [
      "read along the other axis, before and after it fades",
      (S, { k, v, a }) => {
        const faded = mul(S, ofMatrix(sigmoid(a)));
        const along = (matrix: Float) => dot(reshape(v, ["B", heads, 1, values]), matrix);
        return [add(faded, outer(v, k)), along(S), along(faded)];
      },
    ],
    [
      "two products, of which one fades at once",
      (S, { q, k, v, a, b }) => {
        const next = add(mul(ofMatrix(a), add(S, outer(v, k))), mul(ofMatrix(b), outer(tanh(v), q)));
        return [next, read(next, q), read(next, k)];
      },
    ],
    [
      "masks and resets",
      (S, { q, k, v, a, b }) => {
        const everywhere = (condition: Tensor<"bool">) =>
          broadcast(reshape(condition, ["B", heads, 1, 1]), ["B", heads, values, keys]);
        const kept = where(everywhere(less(0.5, a)), zeros(), S);
        const next = add(mul(ofMatrix(sigmoid(b)), kept), outer(v, k));
        return [where(everywhere(less(-0.5, b)), next, kept), read(next, q)];
      },
    ],
    [
      "the delta rule, in two products",
      (S, { q, k, v, a, b }) => {
        const [faded, rate] = [mul(ofMatrix(sigmoid(a)), S), sigmoid(b)];
        const erased = sub(faded, outer(mul(ofVector(rate), read(faded, k)), k));
        const next = add(erased, outer(mul(ofVector(rate), v), k));
        return [next, read(next, q), read(S, q)];
      },
    ],
    [
      "a correction at another key than the one read",
      (S, { q, k, v, b }) => [add(S, outer(mul(ofVector(b), sub(v, read(S, q))), k)), read(S, k)],
    ],
  ])("%s", (_, step) => {
    for (const reverse of [false, true]) {
      const loop = loopOf(step, { reverse });
      expect(memoryReports(loop, 4).map(({ steps }) => steps)).toEqual([4]);
      expect(difference(loop, 4, [1, 4, 6])).toBeLessThan(1e-10);
    }
  });

  test("other states before and after it, and a second memory that reads the first", () => {
    const step: Step = (S, { q, k, v, a }, [gate, smooth]) => {
      const nextGate = tanh(add(gate as Float, v));
      const next = add(mul(ofMatrix(sigmoid(a)), S), outer(mul(nextGate, v), k));
      const found = read(next, q);
      return [next, nextGate, add(mul(0.5, smooth as Float), found), add(found, smooth as Float), nextGate];
    };
    expect(difference(loopOf(step, { others: 2 }), 4, [1, 5, 8])).toBeLessThan(1e-10);
    const inputs = ["S", "R"].map((name): NamedAval => ({ name, dtype: "f32", shape: ["B", 4, 4] }));
    const two = traceGraph("two", [...inputs, { name: "x", dtype: "f32", shape: ["T", "B", 4] }], ([S, R, x]) => {
      const { carries, ys } = scanTensors(
        ([first, second], [x]) => {
          const vector = x as Float;
          const read = (matrix: Float) => reshape(dot(matrix, reshape(vector, ["B", 4, 1])), ["B", 4]);
          const next = add(mul(0.9, first as Float), outer(vector, vector));
          const found = read(next);
          const other = add(mul(0.5, second as Float), outer(tanh(found), vector));
          return { carries: [next, other], ys: [read(other), found] };
        },
        [S as Float, R as Float],
        [x as Float],
      );
      return [...carries, ...ys];
    });
    expect(memoryReports(two, 2).map(memoryLine)).toEqual([
      "step: S in chunks of 2 steps",
      "step: R in chunks of 2 steps",
    ]);
    expect(difference(two, 2, [1, 2, 5])).toBeLessThan(1e-10);
  });

  test("decays of 0, and products that underflow", () => {
    const loop = loopOf((S, { q, k, v, a }) => {
      const decay = where(less(a, 0), fill(["B", heads], 0), mul(a, 1e-200));
      const next = add(mul(ofMatrix(decay), S), outer(v, k));
      return [next, read(next, q)];
    });
    expect(difference(loop, 8, [16])).toBeLessThan(1e-10);
  });
});

/** Parts of random steps. */
const parts = fc.record({
  decay: fc.constantFrom("none", "number", "signed", "keys", "constant"),
  writes: fc.array(fc.constantFrom("outer", "dot", "faded", "negative", "quotient"), { minLength: 1, maxLength: 3 }),
  correction: fc.constantFrom("none", "none", "delta", "of start"),
  reads: fc.array(fc.constantFrom("start", "faded", "next", "sum", "half"), { minLength: 1, maxLength: 3 }),
  choice: fc.constantFrom("none", "mask", "reset"),
  gated: fc.boolean(),
  smooth: fc.boolean(),
  reverse: fc.boolean(),
});
type Parts = typeof parts extends fc.Arbitrary<infer P> ? P : never;

function randomStep(parts: Parts): Step {
  return (S, { q, k, v: given, a, b }, [gate, smooth]) => {
    const nextGate = tanh(add(mul(0.5, gate as Float), given));
    const v = parts.gated ? mul(nextGate, given) : given;
    const everywhere = broadcast(reshape(less(0.3, a), ["B", heads, 1, 1]), ["B", heads, values, keys]);
    const start = parts.choice === "reset" ? where(everywhere, zeros(), S) : S;
    const factors = {
      ...{ none: undefined, number: ofMatrix(sigmoid(b)), signed: ofMatrix(b) },
      ...{ keys: reshape(sigmoid(q), ["B", heads, 1, keys]), constant: fill(["B", heads, 1, 1], 0.7) },
    };
    const factor = factors[parts.decay as keyof typeof factors];
    const faded = factor === undefined ? start : mul(factor, start);
    const column = (x: Float, size: number) => reshape(x, ["B", heads, size, 1]);
    const written: Record<string, (S: Float) => Float> = {
      outer: (x) => add(x, outer(v, k)),
      dot: (x) => add(dot(column(v, values), column(k, keys), { transposeB: true }), x),
      faded: (x) => mul(add(x, outer(tanh(v), q)), ofMatrix(b)),
      negative: (x) => neg(sub(outer(v, q), x)),
      quotient: (x) => div(add(x, outer(v, k)), add(1, mul(ofMatrix(a), ofMatrix(a)))),
    };
    let next = parts.writes.reduce((x, name) => (written[name] as (S: Float) => Float)(x), faded);
    const corrected = { none: undefined, delta: faded, "of start": start }[parts.correction as "none"];
    if (corrected !== undefined) next = add(next, outer(mul(ofVector(sigmoid(a)), sub(v, read(corrected, k))), q));
    const found: Record<string, () => Float> = {
      ...{ start: () => read(S, q), faded: () => read(faded, k), next: () => read(next, q) },
      sum: () => sum(mul(next, reshape(q, ["B", heads, 1, keys])), 3),
      half: () => read(mul(next, 0.5), tanh(q)),
    };
    const reads = parts.reads.map((name) => (found[name] as () => Float)());
    const last = parts.smooth ? add(mul(0.5, smooth as Float), tanh(at(reads, 0))) : (smooth as Float);
    return [parts.choice === "mask" ? where(everywhere, start, next) : next, nextGate, last, ...reads.map(tanh), last];
  };
}

test("random steps, at random lengths and with chunks of random lengths", slow, () => {
  const chunks = fc.constantFrom(2, 4, 8);
  fc.assert(
    fc.property(parts, chunks, fc.integer({ min: 1, max: 17 }), (given, steps, length) => {
      const loop = loopOf(randomStep(given), { others: 2, reverse: given.reverse });
      expect(memoryReports(loop, steps).find(({ carry }) => carry === "S")?.steps).toBe(steps);
      expect(difference(loop, steps, [length])).toBeLessThan(1e-9);
    }),
    { numRuns: Number(process.env.RUNS ?? 12), seed: 17 },
  );
});

describe("steps that are none", () => {
  const stateOf = (S: Float, { k, v, a }: Xs) => add(mul(ofMatrix(a), S), outer(v, k));
  test.each<[string, Step, RegExp]>([
    ["a nonlinear state", (S, xs) => [tanh(stateOf(S, xs)), read(S, xs.q)], /tanh is no product with a vector/],
    [
      "a gate for each entry",
      (S, xs) => [
        mul(S, sigmoid(dot(reshape(xs.v, ["B", heads, values, 1]), reshape(xs.k, ["B", heads, 1, keys])))),
        read(S, xs.q),
      ],
      /mul is no sum of it, faded, and outer products/,
    ],
    [
      "decays of keys and values",
      (S, { q, k, v }) => {
        const faded = mul(
          mul(S, reshape(sigmoid(k), ["B", heads, 1, keys])),
          reshape(sigmoid(v), ["B", heads, values, 1]),
        );
        return [add(faded, outer(v, k)), read(S, q)];
      },
      /mul has a factor of its own for each entry/,
    ],
    [
      "decays of values",
      (S, { q, k, v }) => [add(mul(S, reshape(sigmoid(v), ["B", heads, values, 1])), outer(v, k)), read(S, q)],
      /add fades along its values/,
    ],
    [
      "a read by a matrix",
      (S, xs) => [stateOf(S, xs), dot(S, fill(["B", heads, keys, 2], 1))],
      /dot multiplies it by a matrix/,
    ],
    [
      "a query that was read from it",
      (S, xs) => {
        const found = slice(read(S, xs.q), 2, 0, keys);
        return [stateOf(S, xs), read(S, found)];
      },
      /dot multiplies it by what depends on it/,
    ],
    [
      "a nonlinear correction",
      (S, { q, k, v }) => [add(S, outer(sub(v, tanh(read(S, k))), k)), read(S, q)],
      /tanh is no linear function of what it read/,
    ],
    [
      "two corrections",
      (S, { q, k, v }) => [add(S, outer(sub(v, add(read(S, k), read(S, q))), k)), read(S, q)],
      /reshape corrects it by a second read|dot corrects it by a second read/,
    ],
    [
      "a correction with a factor for each value",
      (S, { q, k, v }) => [add(S, outer(mul(v, read(S, k)), k)), read(S, q)],
      /corrects each value by a factor of its own/,
    ],
    [
      "a correction that is a decay",
      (S, { q, k, v }) => {
        const found = sum(read(S, q), -1, { keepAxes: true });
        return [add(mul(reshape(found, ["B", heads, 1, 1]), S), outer(v, k)), read(S, q)];
      },
      /is no linear function of what it read|multiplies it by what depends on it/,
    ],
    [
      "a choice for each entry",
      (S, xs) => {
        const big = less(fill(["B", heads, values, keys], 0.5), outer(xs.v, xs.k));
        return [where(big, S, stateOf(S, xs)), read(S, xs.q)];
      },
      /where is no sum of it, faded, and outer products/,
    ],
    [
      "a choice by the state",
      (S, xs) => [where(less(S, 0), S, stateOf(S, xs)), read(S, xs.q)],
      /less is no product with a vector/,
    ],
    ["a state that every step returns", (S, xs) => [stateOf(S, xs), S, read(S, xs.q)], /is returned by every step/],
    [
      "reads along both axes",
      (S, xs) => [stateOf(S, xs), read(S, xs.q), dot(reshape(xs.v, ["B", heads, 1, values]), S)],
      /dot reads it along both axes/,
    ],
    [
      "a product with a matrix",
      (S, xs) => [add(dot(S, fill(["B", heads, keys, keys], 0.1)), outer(xs.v, xs.k)), read(S, xs.q)],
      /dot multiplies it by a matrix/,
    ],
    [
      "other matrices that are added",
      (S, { q, k, v }) => [add(S, tanh(outer(v, k))), read(S, q)],
      /tanh is no sum of it, faded, and outer products/,
    ],
    [
      "columns that move",
      (S, xs) => {
        const turned = concat([slice(S, 3, 1, keys - 1), slice(S, 3, 0, 1)], 3);
        return [add(turned, outer(xs.v, xs.k)), read(S, xs.q)];
      },
      /slice is no product with a vector/,
    ],
    ["a sum of all entries", (S, xs) => [stateOf(S, xs), sum(S, [2, 3])], /sum adds up more than its keys/],
    [
      "the negative of nothing",
      (S, xs) => [neg(stateOf(tanh(S), xs)), read(S, xs.q)],
      /tanh is no product with a vector/,
    ],
  ])("%s", (_, step, reason) => {
    const loop = loopOf(step);
    const [report] = memoryReports(loop, 4);
    expect(report?.steps).toBe(undefined);
    expect(report && memoryLine(report)).toMatch(reason);
    expect(chunkwise(loop, 4)).toBe(loop);
  });

  test.each(["before", "after"])("a state that another one keeps as it is %s the step", (when) => {
    const inputs = ["S", "kept"].map((name): NamedAval => ({ name, dtype: "f32", shape: ["B", 4, 4] }));
    const loop = traceGraph("two", [...inputs, { name: "x", dtype: "f32", shape: ["T", "B", 4] }], ([S, kept, x]) => {
      const step = ([state]: readonly Tensor[], [row]: readonly Tensor[]) => {
        const [memory, v] = [state as Float, row as Float];
        const next = add(memory, outer(v, v));
        const found = reshape(dot(next, reshape(v, ["B", 4, 1])), ["B", 4]);
        return { carries: [next, when === "after" ? next : memory], ys: [found] };
      };
      const { carries, ys } = scanTensors(step, [S, kept] as Tensor[], [x] as Tensor[]);
      return [...carries, ...ys];
    });
    const [report] = memoryReports(loop, 4);
    expect(report && memoryLine(report)).toMatch(/is stored in another state too/);
    expect(chunkwise(loop, 4)).toBe(loop);
  });

  test("a state that others wait for in turn", () => {
    const loop = loopOf(
      (S, { q, k }, [h]) => {
        const next = add(S, outer(h as Float, k));
        return [next, tanh(read(next, q)), h as Float];
      },
      { others: 1 },
    );
    expect(memoryReports(loop, 4)).toEqual([]);
    expect(chunkwise(loop, 4)).toBe(loop);
  });
});
