/**
 * @file Checks a program against WebGPU's rules and its own, with no device: a buffer is bound once in a dispatch, so it
 * is all-read or all-read_write; arenas hold what is placed in them; everything that is named exists; no kernel exceeds
 * the limits that every device grants.
 */
import { InternalError } from "../graph/errors.ts";
import type { Dispatch, Location, Loop, Program, Step } from "./program.ts";

export interface ProgramLimits {
  readonly storageBuffers: number;
  readonly workgroupBytes: number;
  readonly workgroupSize: number;
}

/** What WebGPU promises on every device. */
export const defaultLimits: ProgramLimits = { storageBuffers: 8, workgroupBytes: 16384, workgroupSize: 256 };

/** Throws an InternalError that names the kernel or step and the rule. */
export function verifyProgram(program: Program, limits: ProgramLimits = defaultLimits): Program {
  const fail = (where: string, fault: string): never => {
    throw new InternalError(`program ${program.name}, ${where}: ${fault}`);
  };
  for (const kernel of program.kernels) {
    const buffers = kernel.bindings.map(({ buffer }) => buffer);
    if (new Set(buffers).size !== buffers.length) fail(kernel.name, "binds a buffer twice");
    if (buffers.some((buffer) => program.buffers[buffer] === undefined))
      fail(kernel.name, "binds a buffer that does not exist");
    if (buffers.length > limits.storageBuffers)
      fail(kernel.name, `binds ${buffers.length} buffers, allowed are ${limits.storageBuffers}`);
    if (kernel.workgroupBytes > limits.workgroupBytes)
      fail(kernel.name, `takes ${kernel.workgroupBytes} bytes of workgroup memory`);
    if (kernel.workgroupSize > limits.workgroupSize)
      fail(kernel.name, `has ${kernel.workgroupSize} invocations a workgroup`);
    for (const { buffer, access } of kernel.bindings) {
      const name = program.buffers[buffer]?.name ?? "";
      const isWritten = new RegExp(`\\b${name}\\[[^\\]]*\\] [+]?= `).test(kernel.wgsl);
      if (isWritten !== (access === "read_write"))
        fail(kernel.name, `binds ${name} as ${access}${isWritten ? " and writes it" : " and never writes it"}`);
    }
  }
  for (const { name, buffer, shape } of program.inputs) {
    const spec = program.buffers[buffer];
    if (spec === undefined || spec.role !== "input") fail(`input ${name}`, "has no buffer of its own");
    if (shape.length > 0 && spec?.size.length !== 1) fail(`input ${name}`, "has a buffer of another size");
  }
  const checkLocation = (where: string, { buffer }: Location) => {
    if (program.buffers[buffer] === undefined) fail(where, `lies in buffer ${buffer}, which does not exist`);
  };
  const walk = (step: Step | Dispatch | Loop): void => {
    if (step.kind === "loop") step.body.forEach(walk);
    else if (step.kind === "copy") {
      checkLocation("a copy", step.from);
      checkLocation("a copy", step.to);
      if (step.from.buffer === step.to.buffer) fail("a copy", "source and destination are one buffer");
    } else if (program.kernels[step.kernel] === undefined) fail("a dispatch", `kernel ${step.kernel} does not exist`);
  };
  program.steps.forEach(walk);
  for (const [i, { location, donated }] of program.outputs.entries()) {
    checkLocation(`output ${i}`, location);
    const role = program.buffers[location.buffer]?.role;
    if ((donated !== undefined) !== (role === "input"))
      fail(`output ${i}`, donated === undefined ? "lies in an input's buffer" : "is donated but lies in an arena");
  }
  return program;
}
