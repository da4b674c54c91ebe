/**
 * @file Reads at both ends of the memory: lanes without work read past the end of an array, and intermediate addresses
 * are never below 0.
 */
import { expect, test } from "vitest";
import { add, dot, ndarray, openDevice, pad, scanTensors, slice, type Tensor, traceGraph } from "../../index.ts";

test.each([
  [129, 2600],
  [13, 25_000],
])("a column is read four rows at a time, from an array [%i, %i] at the end of the memory", async (rows, columns) => {
  const device = await openDevice({ device: "cpu", threads: 1 });
  const graph = traceGraph("column", [{ name: "x", dtype: "f32", shape: [rows, columns] }], ([x]) => [
    add(slice(x as Tensor<"f32">, 1, columns - 1, 1), 1),
  ]);
  const compiled = await device.compile(graph);
  const numbers = ndarray(
    [rows, columns],
    Array.from({ length: rows * columns }, (_, i) => i),
  );
  const expected = Array.from({ length: rows }, (_, row) => (row + 1) * columns);
  // Memory grows by pages of 64 KiB: in one of these iterations the array ends less than three rows before the end of a
  // page.
  for (let turn = 0; turn < 8; turn++) {
    const filler = device.upload(ndarray([2048], new Array(2048).fill(0)));
    const hole = device.upload(ndarray([256], new Array(256).fill(0)));
    const x = device.upload(numbers);
    hole.destroy();
    const [column] = compiled.run({ x });
    expect([...((await column?.read())?.data ?? [])]).toEqual(expected);
    column?.destroy();
    x.destroy();
    expect(filler.shape).toEqual([2048]);
  }
  device.destroy();
});

test("an incomplete panel of columns is read from a transposed matrix at the end of the memory", async () => {
  const device = await openDevice({ device: "cpu", threads: 1 });
  const [rows, columns, depth] = [17, 133, 2600];
  const graph = traceGraph(
    "product",
    [
      { name: "a", dtype: "f32", shape: [rows, depth] },
      { name: "b", dtype: "f32", shape: [columns, depth] },
    ],
    ([a, b]) => [dot(a as Tensor<"f32">, b as Tensor<"f32">, { transposeB: true })],
  );
  const compiled = await device.compile(graph);
  const a = device.upload(ndarray([rows, depth], new Array(rows * depth).fill(1)));
  const numbers = ndarray(
    [columns, depth],
    Array.from({ length: columns * depth }, (_, i) => Math.floor(i / depth)),
  );
  for (let turn = 0; turn < 8; turn++) {
    const filler = device.upload(ndarray([2048], new Array(2048).fill(0)));
    const hole = device.upload(ndarray([8192], new Array(8192).fill(0)));
    const b = device.upload(numbers);
    hole.destroy();
    const [product] = compiled.run({ a, b });
    const { data } = (await product?.read()) ?? { data: [] };
    expect([...data].every((value, i) => value === depth * (i % columns))).toBe(true);
    product?.destroy();
    b.destroy();
    expect(filler.shape).toEqual([2048]);
  }
  device.destroy();
});

test("an index that a condition discards is not read, however far it is from an array at the end of the memory", async () => {
  const device = await openDevice({ device: "cpu", threads: 1 });
  const [size, zeros] = [1000, 400_000];
  const graph = traceGraph("padded", [{ name: "x", dtype: "f32", shape: [size] }], ([x]) => [
    pad(x as Tensor<"f32">, 0, zeros, size + 2 * zeros),
  ]);
  const compiled = await device.compile(graph);
  const hole = device.upload(ndarray([3, size + 2 * zeros], new Array(3 * (size + 2 * zeros)).fill(0)));
  const x = device.upload(ndarray([size], new Array(size).fill(1)));
  // The result and its source reuse this memory.
  hole.destroy();
  const [padded] = compiled.run({ x });
  const { data } = (await padded?.read()) ?? { data: [] };
  expect([...data].every((value, i) => value === Number(i >= zeros && i < zeros + size))).toBe(true);
  device.destroy();
});

test.each(["auto", "stepwise"] as const)(
  "a reversed loop of known length, %s, at the start of the memory",
  async (schedule) => {
    const steps = 4000;
    const avals = [
      { name: "x", dtype: "f32", shape: [steps, 8] },
      { name: "start", dtype: "f32", shape: [8] },
    ] as const;
    const graph = traceGraph("backwards", avals, ([x, start]) => {
      const step = ([sum]: readonly Tensor[], [row]: readonly Tensor[]) => {
        const next = add(sum as Tensor<"f32">, row as Tensor<"f32">);
        return { carries: [next], ys: [next] };
      };
      const { carries, ys } = scanTensors(step, [start as Tensor<"f32">], [x as Tensor<"f32">], { reverse: true });
      return [...carries, ...ys];
    });
    const device = await openDevice({ device: "cpu", threads: 1 });
    const x = device.upload(ndarray([steps, 8], new Array(steps * 8).fill(1)));
    const compiled = await device.compile(graph, { schedule });
    const [total, sums] = compiled.run({ x, start: ndarray([8], new Array(8).fill(0)) });
    expect([...((await total?.read())?.data ?? [])]).toEqual(new Array(8).fill(steps));
    const { data } = (await sums?.read()) ?? { data: [] };
    expect([...data].every((value, i) => value === steps - Math.floor(i / 8))).toBe(true);
    device.destroy();
  },
);
