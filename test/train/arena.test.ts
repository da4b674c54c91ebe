/** @file The arena: its layout, the same on the host and in a graph. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { zeros } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { arenaOf, pack, packArrays, perParameter, unpack, unpackArray } from "../../train/arena.ts";
import { devices, runOnce } from "./devices.ts";
import { numbers, startOf, text } from "./steps.ts";

describe("the arena", () => {
  const specs = [
    { path: "b", shape: [2, 3] },
    { path: "a", shape: [4] },
    { path: "c", shape: [1, 1, 2] },
  ];
  const arena = arenaOf(specs);
  const arrays = Object.fromEntries(specs.map(({ path, shape }) => [path, numbers(shape, path)]));

  test("packs in the order given, without gaps, and unpacks to the same", () => {
    expect(arena.entries.map(({ path, offset, size }) => [path, offset, size])).toEqual([
      ["b", 0, 6],
      ["a", 6, 4],
      ["c", 10, 2],
    ]);
    const flat = packArrays(arrays, arena);
    expect([...flat.data.slice(6, 10)]).toEqual([...(arrays.a?.data ?? [])]);
    expect(unpackArray(flat, arena)).toEqual(arrays);
  });

  test("has a number for every element of each parameter", () => {
    const numberOf = (path: string) => (path === "c" ? 5 : 7);
    const graph = traceGraph("numbers", [], () => [perParameter(arena, ({ path }) => numberOf(path))]);
    const expected = arena.entries.flatMap(({ path, size }) => new Array<number>(size).fill(numberOf(path)));
    expect([...(interpret(graph, [])[0]?.data ?? [])]).toEqual(expected);
    const alike = traceGraph("numbers", [], () => [perParameter(arena, () => 3)]);
    expect(interpret(alike, [])[0]?.shape).toEqual([12]);
  });

  test("refuses what is missing, unknown, or of another shape", () => {
    const { a, ...others } = arrays;
    expect(() => packArrays(others, arena)).toThrow("parameter a is missing");
    expect(() => packArrays({ ...arrays, d: zeros([1]) }, arena)).toThrow('the model has no parameter "d"');
    expect(() => packArrays({ ...arrays, a: zeros([2, 2]) }, arena)).toThrow(
      "parameter a is [2, 2]; the model expects [4]",
    );
    expect(() => unpackArray(zeros([3]), arena)).toThrow("the array has 3 numbers; the parameters need 12");
  });
});

for (const { name, open } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test("packing while tracing is the reverse of unpacking, and has the layout of the host's", async () => {
      const arena = arenaOf(text.specs);
      const flat = startOf(text);
      const graph = traceGraph("arena", [{ name: "flat", dtype: "f32", shape: [arena.size] }], ([x]) => {
        const tensors = unpack(x as Tensor<"f32">, arena);
        return [pack(tensors, arena), tensors["head/kernel"] as Tensor];
      });
      const [packed, kernel] = await runOnce(device, graph, { flat });
      expect(packed?.data).toEqual(flat.data);
      expect(kernel).toEqual(unpackArray(flat, arena)["head/kernel"]);
    });
  });
}
