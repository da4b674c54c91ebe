/** @file Imported Keras weights give the results of Keras, which are float32 numbers from golden/keras_layers.mjs. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { fromKeras, toKeras, toParameters } from "../../entries/weights.ts";
import { fromNested, model, type NamedAval, type Tensor, traceGraph, transpose } from "../../index.ts";
import { errorOf, type Matrix, type Sequence, stackFor } from "./imported-stack.ts";

interface Figures {
  readonly cell: string;
  readonly weights: Readonly<Record<string, Matrix | number[]>>;
  /** [batch, time, features] */
  readonly x: Sequence;
  readonly output: Sequence;
}

const file = new URL("../golden/keras_layers.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Figures[] };
const arraysOf = ({ weights }: Figures) =>
  Object.fromEntries(Object.entries(weights).map(([name, value]) => [name, fromNested(value)]));
const titled = cases.map((figures) => {
  const both = Object.keys(figures.weights).some((name) => name.includes("backward_"));
  return [`${figures.cell}, ${both ? "both ways" : "two layers"}`, figures] as const;
});

test.each(titled)("%s", (_title, figures) => {
  const imported = fromKeras(arraysOf(figures), "figures");
  expect(imported.cell).toBe(figures.cell);
  const parameters = toParameters(imported);
  const stack = stackFor(imported);
  const network = model("network", (x: Tensor<"f32">) => stack.run(x).outputs);
  const avals: NamedAval[] = [
    ...Object.entries(parameters).map(([name, { shape }]): NamedAval => ({ name, dtype: "f32", shape })),
    { name: "x", dtype: "f32", shape: ["B", "T", imported.features] },
  ];
  const graph = traceGraph("imported", avals, (tensors) => {
    const named = Object.fromEntries(avals.map(({ name }, i) => [name, at(tensors, i) as Tensor<"f32">]));
    const timeFirst = transpose(at(tensors, avals.length - 1) as Tensor<"f32">, [1, 0, 2]);
    return [transpose(network.apply(named, timeFirst), [1, 0, 2])];
  });
  const [output] = interpret(graph, [...Object.values(parameters), fromNested(figures.x)]);
  expect(errorOf(output as NdArray, fromNested(figures.output))).toBeLessThan(1e-6);
});

test.each(titled)("%s: written as Keras 3 names them, and read again, they are the same", (_title, figures) => {
  const read = fromKeras(arraysOf(figures), "figures");
  const written = toKeras(read);
  expect(Object.values(written).map(({ shape, data }) => [shape, data])).toEqual(
    Object.values(arraysOf(figures)).map(({ shape, data }) => [shape, data]),
  );
  // Names differ, and with them what is said of their order.
  expect({ ...fromKeras(written, "again"), assumed: read.assumed }).toEqual(read);
});
