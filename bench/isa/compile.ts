/**
 * @file The child process under AMD's driver: lowers the training step of one cell as for any GPU adapter, writes the
 * program as JSON, and compiles its kernels one at a time. node compile.mjs CELL UNITS FILE PRECISION SCHEDULE
 */
import { writeFileSync } from "node:fs";
import { buildProgram } from "../../compiler/compile.ts";
import { scanScheduleNames } from "../../compiler/plan/scan/names.ts";
import { GpuContext } from "../../runtime/context.ts";
import { requestDevice } from "../../runtime/host.ts";
import { layoutEntries } from "../../runtime/pipelines.ts";
import { withPhaseOutputs } from "../../train/compile-step.ts";
import { type IsaCell, stepOf } from "./cells.ts";
import { kernelMarker } from "./listing.ts";

const [cell, units, file, named, asked] = process.argv.slice(2);
if (cell === undefined || units === undefined || file === undefined)
  throw new Error("node compile.mjs CELL UNITS FILE PRECISION SCHEDULE");
const precision = named === "mixed" ? "mixed" : "f32";
const schedule = scanScheduleNames.find((name) => name === asked) ?? "auto";

// No kernel can run here, so the device is not asked which invocations are neighbours: on AMD's chips, those of a wave are.
const { host, device } = await requestDevice("gpu");
const context = new GpuContext(host, device, undefined, host.adapter.info.subgroupMinSize);
const step = stepOf(cell as IsaCell, Number(units), precision);
const { graph, forward, backward } = withPhaseOutputs(step);
const program = buildProgram(graph, {
  donate: step.donate,
  ...{ precision, schedule },
  phases: { forward: [forward], backward: [backward] },
  ...context.compileLimits,
});
writeFileSync(file, JSON.stringify({ program, driver: host.adapter.info.description }));

for (const kernel of program.kernels) {
  process.stderr.write(`\n${kernelMarker}${kernel.name}\n`);
  const bindGroup = device.createBindGroupLayout({ entries: layoutEntries(kernel) });
  await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [bindGroup] }),
    compute: { module: device.createShaderModule({ code: kernel.wgsl }), entryPoint: "main" },
  });
}
process.stderr.write(`\n${kernelMarker}\n`);
// Dawn's threads would keep the process alive, and there is no device to wait for.
process.exit(0);
