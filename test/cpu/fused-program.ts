/** @file Products of integers on the CPU and in the interpreter, as a program of its own: `fused.test.ts` runs it in an engine with fused instructions. */
import { add, dot, interpret, ndarray, openDevice, type Tensor, traceGraph } from "../../index.ts";
import { compilesFused } from "../support/fused.ts";

type Float = Tensor<"f32">;

const whole = (shape: readonly number[], salt: number) => {
  const count = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Array.from({ length: count }, (_, i) => ((i * salt) % 7) - 3),
  );
};
const [m, k, n] = [5, 300, 9];
const shapes = { a: [m, k], b: [k, n], c: [n, k], d: [k, m] };
const avals = Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "f32", shape }) as const);
const graph = traceGraph("fused", avals, (tensors) => {
  const [a, b, c, d] = tensors as [Float, Float, Float, Float];
  return [dot(a, b), add(dot(a, c, { transposeB: true }), dot(d, b, { transposeA: true }))];
});
const inputs = { a: whole(shapes.a, 3), b: whole(shapes.b, 5), c: whole(shapes.c, 2), d: whole(shapes.d, 4) };
const expected = interpret(graph, Object.values(inputs));
const device = await openDevice({ device: "cpu", threads: 1 });
const compiled = await device.compile(graph);
const results = await Promise.all(compiled.run(inputs).map((output) => output.read()));
device.destroy();
const isEqual = results.every(({ data }, i) => data.every((x, j) => x === expected[i]?.data[j]));
console.log(JSON.stringify({ isFused: compilesFused(graph), isEqual }));
