/**
 * @file The constant error carousel: the derivative of a cell's state at the end of a sequence with respect to its state at
 * the start. If h is cut off from the gates and the cell input, the truncation of Hochreiter & Schmidhuber 1997 (section 3.2
 * and appendix A.1), the derivative is exactly 1 in the cell of 1997 and the product of the forget gates in the later one,
 * for any length; that of the simple network shrinks.
 */
import { describe, expect, test } from "vitest";
import { lstm, lstm1997, rnn } from "../../cells/index.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import {
  type CellDefinition,
  cell,
  grad,
  interpret,
  model,
  type NamedAval,
  type State,
  scan,
  stopGradient,
  sum,
  type Tensor,
  traceGraph,
} from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";

type Float = Tensor<"f32">;

const [units, features, batch] = [3, 2, 2];

/** Wraps a cell so that h is cut off wherever its equations read it. */
function truncated(definition: CellDefinition<"c" | "h">): CellDefinition<"c" | "h"> {
  const inner = definition(units);
  return cell(`truncated-${definition.cellName}`, { state: () => inner.stateShapes }, ({ x, c, h }) =>
    inner.step(x, { c, h: stopGradient(h) }),
  );
}

/** The outputs of `results` for a cell over `time` steps of random numbers, and those numbers by name. */
function runCell<Names extends string>(
  definition: CellDefinition<Names>,
  time: number,
  results: (final: (state: State<Names>) => State<Names>, initial: State<Names>) => Float[],
): { readonly outputs: NdArray[]; readonly inputs: Readonly<Record<string, NdArray>> } {
  const instance = definition(units);
  const names = Object.keys(instance.stateShapes) as Names[];
  const network = model("network", (x: Float, initial: Record<string, Float>) => {
    return scan(instance, x, { initial: initial as State<Names> }).state as Record<string, Float>;
  });
  const x: NamedAval = { name: "x", dtype: "f32", shape: [time, batch, features] };
  const states = names.map((name): NamedAval => ({ name, dtype: "f32", shape: [batch, units] }));
  const specs = network.specs(x, Object.fromEntries(states.map((aval) => [aval.name, aval])));
  const avals = [...specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape })), x, ...states];
  const graph = traceGraph("carousel", avals, (tensors) => {
    const named = Object.fromEntries(avals.map(({ name }, i) => [name, at(tensors, i) as Float]));
    const initial = Object.fromEntries(names.map((name) => [name, named[name]])) as State<Names>;
    return results((state) => network.apply(named, named.x as Float, state) as State<Names>, initial);
  });
  const random = generator(42);
  const values = avals.map(({ shape }) => randomFloats(random, shape.map(Number), 0.8));
  const inputs = Object.fromEntries(avals.map(({ name }, i) => [name, at(values, i)]));
  return { outputs: interpret(graph, values), inputs };
}

/** Derivative of the sum over units of c at the end with respect to each c at the start. */
function memory(definition: CellDefinition<"c" | "h">, time: number): Float64Array {
  const { outputs } = runCell(definition, time, (final, initial) => [
    grad((c: Float) => sum(final({ c, h: initial.h }).c))(initial.c),
  ]);
  return at(outputs, 0).data;
}

/** The product of the forget gates over time of a truncated LSTM, computed with plain numbers. */
function forgetProduct(time: number): number[] {
  const { inputs } = runCell(truncated(lstm), time, (_, initial) => [initial.c]);
  const numbers = (name: string) => inputs[name]?.data ?? new Float64Array();
  const logistic = (v: number) => 1 / (1 + Math.exp(-v));
  const products: number[] = [];
  for (let row = 0; row < batch; row++) {
    let c = [...numbers("c").slice(row * units, (row + 1) * units)];
    let h = [...numbers("h").slice(row * units, (row + 1) * units)];
    let product = c.map(() => 1);
    for (let t = 0; t < time; t++) {
      const start = (t * batch + row) * features;
      const read = [...numbers("x").slice(start, start + features), ...h];
      const gate = (name: string) => {
        const [kernel, bias] = [
          numbers(`truncated-lstm/lstm/${name}/kernel`),
          numbers(`truncated-lstm/lstm/${name}/bias`),
        ];
        return c.map((_, unit) =>
          read.reduce((sum, v, k) => sum + v * at([...kernel], k * units + unit), at([...bias], unit)),
        );
      };
      const [i, f, o] = [gate("input"), gate("forget"), gate("output")].map((values) => values.map(logistic));
      const g = gate("candidate").map(Math.tanh);
      c = c.map((value, unit) => at(f ?? [], unit) * value + at(i ?? [], unit) * at(g, unit));
      h = c.map((value, unit) => at(o ?? [], unit) * Math.tanh(value));
      product = product.map((value, unit) => value * at(f ?? [], unit));
    }
    products.push(...product);
  }
  return products;
}

describe.each([1, 10, 100])("over %i steps", (time) => {
  test("the cell of 1997 preserves its error exactly", () => {
    expect([...memory(truncated(lstm1997), time)]).toEqual(new Array(batch * units).fill(1));
  });

  test("the cell with forget gates scales it by their product", () => {
    const product = forgetProduct(time);
    const derivative = memory(truncated(lstm), time);
    expect(derivative.length).toBe(product.length);
    for (const [i, value] of derivative.entries()) expect(value / at(product, i)).toBeCloseTo(1, 10);
    expect(Math.max(...product)).toBeLessThan(1);
  });
});

test("the simple network's error shrinks with every step", () => {
  const lengths = [1, 2, 5, 10, 30].map((time) => {
    const { outputs } = runCell(rnn, time, (final, initial) => [grad((h: Float) => sum(final({ h }).h))(initial.h)]);
    return Math.hypot(...at(outputs, 0).data);
  });
  for (const [i, length] of lengths.entries()) if (i > 0) expect(length).toBeLessThan(at(lengths, i - 1));
  expect(at(lengths, 4)).toBeLessThan(1e-3 * at(lengths, 0));
});

test("without the truncation, the gates that read h add to the carousel", () => {
  const lines = [1, 10, 100].map((time) => {
    const [of1997, later] = [lstm1997, lstm].map((definition) => [...memory(definition, time)]);
    const print = (values: readonly number[] = []) => values.map((value) => value.toPrecision(4)).join(" ");
    return { time, of1997: of1997 ?? [], text: `T=${time}: lstm1997 ${print(of1997)} | lstm ${print(later)}` };
  });
  console.log(`dc_T/dc_0 with the full gradient\n${lines.map(({ text }) => text).join("\n")}`);
  // One step has no later gate to disturb; over more, the derivative is finite and no longer 1.
  expect(at(lines, 0).of1997).toEqual(new Array(batch * units).fill(1));
  for (const { of1997 } of lines.slice(1)) {
    expect(of1997.every(Number.isFinite)).toBe(true);
    expect(Math.max(...of1997.map((value) => Math.abs(value - 1)))).toBeGreaterThan(0.01);
  }
});
