/** @file Every cell against an independent implementation of its equations in plain numbers. */
import { expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import { at } from "../../compiler/graph/errors.ts";
import { interpret, model, type NamedAval, type NdArray, scan, type Tensor, traceGraph } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { type Form, forms } from "./forms.ts";
import type { Weights } from "./reference-cells.ts";

type Float = Tensor<"f32">;
const [time, batch] = [5, 2];

test("every cell of the zoo is tested", () => {
  expect([...forms.keys()].filter((name) => name in zoo).toSorted()).toEqual(Object.keys(zoo).toSorted());
});

test.each([...forms])("%s computes its paper's equations", (_, { cell, units, features, reference }) => {
  const { outputs, weights, xs } = run({ cell, units, features, reference });
  for (let row = 0; row < batch; row++) {
    const sequence = Array.from({ length: time }, (__, t) => numbers(xs, (t * batch + row) * features, features));
    const width = outputs.data.length / (time * batch);
    for (const [t, expected] of reference(weights, sequence, units).entries()) {
      const got = numbers(outputs, (t * batch + row) * width, width);
      expect(expected.length).toBe(width);
      for (const [i, value] of got.entries()) expect(Math.abs(value - at(expected, i))).toBeLessThan(1e-12);
    }
  }
});

function run({ cell, units, features }: Form): { outputs: NdArray; weights: Weights; xs: NdArray } {
  const network = model("network", (x: Float) => scan(cell(units), x).outputs);
  const x: NamedAval = { name: "x", dtype: "f32", shape: [time, batch, features] };
  const specs = network.specs(x);
  const avals = [...specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape })), x];
  const graph = traceGraph("outputs", avals, (tensors) => {
    const given = Object.fromEntries(specs.map(({ path }, i) => [path, at(tensors, i) as Float]));
    return [network.apply(given, at(tensors, specs.length) as Float)];
  });
  const random = generator(units + features);
  const inputs = avals.map(({ shape }) => randomFloats(random, shape.map(Number), 1.5));
  const byPath = new Map(specs.map(({ path }, i) => [path.slice(`${cell.cellName}/`.length), at(inputs, i)]));
  return { outputs: at(interpret(graph, inputs), 0), weights: weightsOf(byPath), xs: at(inputs, specs.length) };
}

function weightsOf(byPath: ReadonlyMap<string, NdArray>): Weights {
  const find = (path: string): NdArray => {
    const array = byPath.get(path);
    if (array === undefined) throw new Error(`no weight ${path} among ${[...byPath.keys()].join(", ")}`);
    return array;
  };
  const matrix = (path: string) => {
    const array = find(path);
    const [rows = 0, columns = 0] = array.shape;
    return Array.from({ length: rows }, (_, row) => numbers(array, row * columns, columns));
  };
  return {
    vector: (path) => [...find(path).data],
    matrix,
    affine: (name, ...parts) => {
      const [rows, input] = [matrix(`${name}/kernel`), parts.flat()];
      if (rows.length !== input.length) throw new Error(`${name} has ${rows.length} rows, ${input.length} were given`);
      const start = byPath.has(`${name}/bias`) ? [...find(`${name}/bias`).data] : at(rows, 0).map(() => 0);
      return start.map((b, column) => input.reduce((sum, value, row) => sum + value * at(at(rows, row), column), b));
    },
  };
}

function numbers({ data }: NdArray, start: number, count: number): number[] {
  return [...data.slice(start, start + count)];
}
