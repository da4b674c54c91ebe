/** @file What runs do with buffers of other owners, and whether those have allowed it. */
import { UserError } from "../compiler/graph/errors.ts";
import type { Program } from "../compiler/plan/program.ts";
import { GpuArray } from "./arrays.ts";
import { bufferUsage } from "./gpu-flags.ts";
import type { Instance } from "./instance.ts";
import type { Inputs } from "./program-inputs.ts";

/**
 * Throws a UserError if a run copies from or to an input whose owner has not allowed that. A run copies to a donated input
 * what another result needs too, and from inputs that are more than a kernel may bind.
 */
export function checkUsage({ name: program, inputs: all }: Program, { steps }: Instance, inputs: Inputs): void {
  const copies = steps.flatMap((step) => ("kernel" in step ? [] : [step]));
  for (const { name, buffer } of all) {
    const given = inputs[name];
    if (!(given instanceof GpuArray && given.isWrapped) || given.memory === undefined) continue;
    for (const { from, to } of copies) {
      const usage = from.buffer === buffer ? "COPY_SRC" : "COPY_DST";
      if ((from.buffer !== buffer && to.buffer !== buffer) || (given.memory.usage & bufferUsage[usage]) !== 0) continue;
      throw new UserError(
        `${program}: input ${name} is a GPUBuffer without usage ${usage}, and a run copies ${usage === "COPY_SRC" ? "from" : "to"} it; its owner must create it with GPUBufferUsage.${usage}`,
      );
    }
  }
}
