/** @file Writes a case to files for contenders in Python: case.json, and case.bin with weights and tokens (little-endian f32). */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CellName, makeWorkload, packedBias, packedKernel, parameterData } from "../measure/workload.ts";
import type { Case } from "./cases.ts";

/** Gates that share a recurrent product, in the order of GROUPS in contenders/recurrent.py. */
const groups: Readonly<Record<CellName, readonly (readonly string[])[]>> = {
  lstm: [["input", "forget", "candidate", "output"]],
  gru: [["reset", "update"], ["candidate"]],
  "minimal-gated-unit": [["forget"], ["candidate"]],
  "min-gru": [],
};
const gatesOf = (cell: CellName) => (cell === "min-gru" ? ["update", "candidate"] : groups[cell].flat());

interface Part {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
}

export async function writeCase(folder: string, { cell, sizes }: Case): Promise<void> {
  const workload = makeWorkload(cell, sizes);
  const { vocabulary, embed, units, batch, time } = sizes;
  const bias = packedBias(workload, gatesOf(cell));
  const parts: Readonly<Record<string, Part>> = {
    table: { data: parameterData(workload, "embedding/table"), shape: [vocabulary, embed] },
    wx: packedKernel(workload, gatesOf(cell), "x"),
    bias: { data: bias, shape: [bias.length] },
    ...Object.fromEntries(groups[cell].map((gates, i) => [`wh${i}`, packedKernel(workload, gates, "h")])),
    headKernel: { data: parameterData(workload, "head/kernel"), shape: [units, vocabulary] },
    headBias: { data: parameterData(workload, "head/bias"), shape: [vocabulary] },
    x: { data: workload.x.data, shape: [time * batch] },
    targets: { data: workload.targets.data, shape: [time * batch] },
  };
  const data = new Float32Array(Object.values(parts).reduce((sum, part) => sum + part.data.length, 0));
  let offset = 0;
  const arrays = Object.entries(parts).map(([name, part]) => {
    data.set(part.data, offset);
    const entry = [name, part.shape, offset] as const;
    offset += part.data.length;
    return entry;
  });
  await writeFile(join(folder, "case.json"), JSON.stringify({ cell, sizes, arrays }));
  await writeFile(join(folder, "case.bin"), data);
}
