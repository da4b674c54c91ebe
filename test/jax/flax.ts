/** @file Imports weights that Flax has written, and compares the outputs with those that Flax computes. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { decodeTensors } from "../../entries/files.ts";
import { createStream } from "../../entries/stream.ts";
import { fromFlax, modelFrom } from "../../entries/weights.ts";
import { openInterpreter } from "../../index.ts";

/** The largest difference of two outputs that are to be the same. */
const allowed = 1e-5;

interface Figures {
  /** [T, B, features] */
  readonly x: number[][][];
  readonly cases: readonly { readonly name: string; readonly y: number[][][] }[];
}

/** Lines about what does not hold; `say` gets one about what does. */
export async function flaxFaults(python: string, folder: string, say: (line: string) => void): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const script = fileURLToPath(new URL("../../scripts/test-jax-flax.py", import.meta.url));
  const written = spawnSync(python, [script, folder], { encoding: "utf8" });
  if (written.status !== 0) return [`Flax wrote nothing: ${written.stderr.trim().split("\n").at(-1)}`];
  const { x, cases } = JSON.parse(readFileSync(join(folder, "flax.json"), "utf8")) as Figures;
  const device = openInterpreter();
  const [batch, features] = [x[0]?.length ?? 0, x[0]?.[0]?.length ?? 0];
  const faults: string[] = [];
  for (const { name, y } of cases) {
    const file = `${name}.safetensors`;
    // Names without an order of their own are given one.
    const options = name.startsWith("nnx") ? { layers: ["first", "second"] } : {};
    const weights = fromFlax(decodeTensors(readFileSync(join(folder, file)), file).tensors, file, options);
    const model = modelFrom(weights, { columns: ["a", "b", "c"], targets: ["y", "z"] });
    const stream = await createStream(device, model, model.parameters, { batch });
    let largest = 0;
    for (const [t, rows] of x.entries()) {
      const { output } = await stream.step(ndarray([batch, features], rows.flat()));
      const expected = y[t]?.flat() ?? [];
      for (const [i, value] of output.data.entries())
        largest = Math.max(largest, Math.abs(value - (expected[i] ?? Number.NaN)));
    }
    stream.destroy();
    if (!(largest <= allowed)) faults.push(`${name}: the outputs differ by ${largest}`);
  }
  device.destroy();
  if (faults.length === 0)
    say(`${cases.length} modules give Flax's outputs: ${cases.map(({ name }) => name).join(", ")}`);
  return faults;
}
