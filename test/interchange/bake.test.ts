/** @file Programs compiled ahead of time, with a fixed memory layout. */
import { expect, test } from "vitest";
import { planCpuProgram } from "../../compiler/compile-cpu.ts";
import { add, slice, type Tensor, traceGraph } from "../../index.ts";
import { bakeProgram } from "../../interchange/standalone/bake.ts";
import { encodeModule } from "../../wasm/encode.ts";

test.each([2500, 2550, 2600, 2650, 2700, 2730])(
  "lanes without work read beyond the last array: %i columns",
  (columns) => {
    const rows = 129;
    const graph = traceGraph("column", [{ name: "x", dtype: "f32", shape: [rows, columns] }], ([x]) => [
      add(slice(x as Tensor<"f32">, 1, columns - 1, 1), 1),
    ]);
    const { functions, data, memory, inputs, outputs } = bakeProgram(planCpuProgram(graph), {
      sizes: {},
      constants: {},
      carried: [],
    });
    const module = new WebAssembly.Module(encodeModule({ functions, data }, memory));
    const { exports } = new WebAssembly.Instance(module);
    const { buffer } = exports.memory as WebAssembly.Memory;
    const numbers = new Float32Array(buffer, inputs.x?.address, rows * columns);
    numbers.forEach((_, i) => {
      numbers[i] = i;
    });
    (exports.run as () => void)();
    const result = new Float32Array(buffer, outputs[0]?.address, rows);
    expect([...result]).toEqual(Array.from({ length: rows }, (_, row) => (row + 1) * columns));
  },
);
