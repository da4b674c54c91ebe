/**
 * @file Checks a program against WebGPU's rules and its own, without a device: slabs hold what is placed in them;
 * everything that is referenced exists; a kernel gets exactly the steps and chunks of the loops that it reads; no
 * kernel exceeds the limits that every device guarantees.
 */
import { symbolsOf } from "../graph/dim.ts";
import { InternalError } from "../graph/errors.ts";
import type { Choose, Dispatch, Location, Program, Step } from "./program.ts";

export interface ProgramLimits {
  readonly storageBuffers: number;
  readonly workgroupBytes: number;
  readonly workgroupSize: number;
}

/** WebGPU's guaranteed limits. */
export const defaultLimits: ProgramLimits = { storageBuffers: 8, workgroupBytes: 16384, workgroupSize: 256 };

type Fail = (where: string, fault: string) => never;

/** Returns the program. Throws an InternalError that names the kernel or step and the violated rule. */
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
      fail(kernel.name, `binds ${buffers.length} buffers; the limit is ${limits.storageBuffers}`);
    if (kernel.workgroupBytes > limits.workgroupBytes)
      fail(
        kernel.name,
        `uses ${kernel.workgroupBytes} bytes of workgroup memory; the limit is ${limits.workgroupBytes}`,
      );
    if (kernel.workgroupSize > limits.workgroupSize)
      fail(kernel.name, `has ${kernel.workgroupSize} invocations per workgroup; the limit is ${limits.workgroupSize}`);
  }
  for (const { name, buffer, shape } of program.inputs) {
    const spec = program.buffers[buffer];
    if (spec === undefined || spec.role !== "input") fail(`input ${name}`, "has no input buffer");
    if (shape.length > 0 && spec?.size.length !== 1) fail(`input ${name}`, "has a buffer of another size");
  }
  const checkLocation = (where: string, { buffer }: Location) => {
    if (program.buffers[buffer] === undefined) fail(where, `is in buffer ${buffer}, which does not exist`);
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
      if (step.from.buffer === step.to.buffer) fail("a copy", "has one buffer as source and destination");
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
      fail(`output ${i}`, donated === undefined ? "is in an input's buffer" : "is donated but is in a slab");
  }
  return program;
}

/**
 * A kernel reads the steps of the enclosing loops; a kernel that runs a loop itself also needs the range of steps to
 * run.
 */
function checkDispatch({ kernels }: Program, { kernel: number, chunks }: Dispatch, nesting: number, fail: Fail): void {
  const kernel = kernels[number];
  if (kernel === undefined) {
    fail("a dispatch", `kernel ${number} does not exist`);
    return;
  }
  const { name, loops, chunked } = kernel;
  if (chunked !== (chunks !== undefined))
    fail(name, chunked ? "runs a chunk of a loop but gets no range of steps" : "is cut into chunks but runs no loop");
  if (chunks !== undefined && !(Number.isInteger(chunks.steps) && chunks.steps > 0))
    fail(name, `is cut into chunks of ${chunks.steps} steps`);
  if (chunks === undefined ? loops > nesting : loops !== nesting + 1)
    fail(name, `reads the steps of ${loops} loops, but ${nesting} enclose it`);
}

/** Every size has exactly one branch, and every branch has sizes at which it runs. */
function checkBuckets({ symbols }: Program, { dim, branches }: Choose, fail: Fail): void {
  const where = `a choice by ${dim}`;
  const unknown = symbolsOf(dim).find((symbol) => !symbols.includes(symbol));
  if (unknown !== undefined) fail(where, `${unknown} is not a symbol of the program`);
  const bounds = branches.map(({ atMost }) => atMost ?? Number.POSITIVE_INFINITY);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY) fail(where, "has no branch for large sizes");
  if (bounds.some((bound, i) => i > 0 && bound <= (bounds[i - 1] ?? 0)))
    fail(where, `has branches up to ${bounds.join(", ")}, which do not ascend`);
}

/** WebGPU reads the numbers of workgroups as u32; only the program may write them. */
function checkIndirect({ buffers }: Program, { buffer, size }: Location, fail: Fail): void {
  const where = "an indirect dispatch";
  const spec = buffers[buffer];
  if (spec?.role !== "slab") fail(where, `reads its workgroups from buffer ${buffer}, which is not a slab`);
  if (spec?.element !== "u32") fail(where, `reads its workgroups as ${spec?.element}`);
  if (size.length !== 1 || (size[0] !== 1 && size[0] !== 3))
    fail(where, `reads ${size.join(" + ")} numbers of workgroups; it must be 1 or 3`);
}
