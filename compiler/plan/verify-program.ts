/**
 * @file Checks a program against WebGPU's rules and its own, with no device: slabs hold what is placed in them; everything that is named exists; a kernel gets the steps and chunks of the loops that it reads, and no more; none
 * exceeds the limits that every device grants.
 */
import { symbolsOf } from "../graph/dim.ts";
import { InternalError } from "../graph/errors.ts";
import type { Choose, Dispatch, Location, Program, Step } from "./program.ts";

export interface ProgramLimits {
  readonly storageBuffers: number;
  readonly workgroupBytes: number;
  readonly workgroupSize: number;
}

/** What WebGPU promises on every device. */
export const defaultLimits: ProgramLimits = { storageBuffers: 8, workgroupBytes: 16384, workgroupSize: 256 };

type Fail = (where: string, fault: string) => never;

/** Throws an InternalError that names the kernel or step and the rule. */
export function verifyProgram(program: Program, limits: ProgramLimits = defaultLimits): Program {
  const fail: Fail = (where, fault) => {
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
  }
  for (const { name, buffer, shape } of program.inputs) {
    const spec = program.buffers[buffer];
    if (spec === undefined || spec.role !== "input") fail(`input ${name}`, "has no buffer of its own");
    if (shape.length > 0 && spec?.size.length !== 1) fail(`input ${name}`, "has a buffer of another size");
  }
  const checkLocation = (where: string, { buffer }: Location) => {
    if (program.buffers[buffer] === undefined) fail(where, `lies in buffer ${buffer}, which does not exist`);
  };
  const walk = (step: Step, nesting: number): void => {
    if (step.kind === "loop") {
      for (const inner of step.body) walk(inner, nesting + 1);
      for (const dispatch of step.otherwise) walk(dispatch, nesting);
    } else if (step.kind === "choose") {
      checkBuckets(program, step, fail);
      for (const { steps } of step.branches) for (const inner of steps) walk(inner, nesting);
    } else if (step.kind === "copy") {
      checkLocation("a copy", step.from);
      checkLocation("a copy", step.to);
      if (step.from.buffer === step.to.buffer) fail("a copy", "source and destination are one buffer");
    } else {
      checkDispatch(program, step, nesting, fail);
      if (step.indirect !== undefined) checkIndirect(program, step.indirect, fail);
    }
  };
  for (const step of program.steps) walk(step, 0);
  for (const [i, { location, donated }] of program.outputs.entries()) {
    checkLocation(`output ${i}`, location);
    const role = program.buffers[location.buffer]?.role;
    if ((donated !== undefined) !== (role === "input"))
      fail(`output ${i}`, donated === undefined ? "lies in an input's buffer" : "is donated but lies in a slab");
  }
  return program;
}

/** A kernel reads the steps of the loops around it; one that runs a loop itself is told which of its steps to run. */
function checkDispatch({ kernels }: Program, { kernel: number, chunks }: Dispatch, nesting: number, fail: Fail): void {
  const kernel = kernels[number];
  if (kernel === undefined) {
    fail("a dispatch", `kernel ${number} does not exist`);
    return;
  }
  const { name, loops, chunked } = kernel;
  if (chunked !== (chunks !== undefined))
    fail(name, chunked ? "runs a chunk of a loop and is not told which" : "is cut into chunks and runs no loop");
  if (chunks !== undefined && !(Number.isInteger(chunks.steps) && chunks.steps > 0))
    fail(name, `is cut into chunks of ${chunks.steps} steps`);
  if (chunks === undefined ? loops > nesting : loops !== nesting + 1)
    fail(name, `reads the steps of ${loops} loops, around it are ${nesting}`);
}

/** Every size has one branch, whichever it is, and no branch stands behind one that takes all of its sizes. */
function checkBuckets({ symbols }: Program, { dim, branches }: Choose, fail: Fail): void {
  const where = `a choice by ${dim}`;
  const unknown = symbolsOf(dim).find((symbol) => !symbols.includes(symbol));
  if (unknown !== undefined) fail(where, `${unknown} is no size of the program`);
  const bounds = branches.map(({ atMost }) => atMost ?? Number.POSITIVE_INFINITY);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY) fail(where, "has no branch for large sizes");
  if (bounds.some((bound, i) => i > 0 && bound <= (bounds[i - 1] ?? 0)))
    fail(where, `has branches up to ${bounds.join(", ")}, which do not ascend`);
}

/** WebGPU reads the numbers of workgroups as u32; nothing but the program may write them. */
function checkIndirect({ buffers }: Program, { buffer, size }: Location, fail: Fail): void {
  const where = "an indirect dispatch";
  const spec = buffers[buffer];
  if (spec?.role !== "slab") fail(where, `reads its workgroups in buffer ${buffer}, which is no slab`);
  if (spec?.element !== "u32") fail(where, `reads its workgroups as ${spec?.element}`);
  if (size.length !== 1 || (size[0] !== 1 && size[0] !== 3))
    fail(where, `reads ${size.join(" + ")} numbers of workgroups; there are 1 or 3`);
}
