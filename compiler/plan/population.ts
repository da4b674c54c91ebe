/**
 * @file A program for many models at once: a population. Whatever the graph, each model has its own copy of every buffer, and
 * every dispatch runs for all of them: models are one more axis of its grid, and one more stride of its buffers. The copies of
 * a buffer lie one after another, `stride` elements apart; an input that all models share has one copy.
 *
 * Nothing else of the program depends on models, so each computes the bits that it would compute alone.
 */
import { mulDims } from "../graph/dim.ts";
import { at, InternalError, UserError } from "../graph/errors.ts";
import type { Population } from "../graph/models.ts";
import { globalArray } from "../kernel/builder.ts";
import type { KernelCode } from "../kernel/ir.ts";
import type { BufferSpec, Dispatch, PlannedKernel, Program, Size, Step } from "./program.ts";
import type { Target } from "./stages/tiles.ts";

/** What a population adds to a program; `requires` may still be missing. */
type Planned = Omit<Program<PlannedKernel>, "requires">;

/**
 * The program of a population; inputs that are not shared, and outputs, get the models as their first axis. A kernel binds at
 * most `maxBuffers`.
 */
export function forPopulation<P extends Planned>(
  given: P,
  { models, shared = [] }: Population,
  { target, maxBuffers }: { readonly target: Target; readonly maxBuffers: number },
): P {
  const times = (size: Size): Size => size.map((dim) => mulDims(models, dim));
  const program = target === "cpu" ? given : withConditions(given, maxBuffers);
  const isShared = new Set(program.inputs.filter(({ name }) => shared.includes(name)).map(({ buffer }) => buffer));
  const buffers = program.buffers.map(
    (spec, i): BufferSpec => (isShared.has(i) ? spec : { ...spec, size: times(spec.size), stride: spec.size }),
  );
  const kernels = program.kernels.map((kernel) => ({
    ...kernel,
    code: withStrides(kernel.code, buffers),
    work: { flops: times(kernel.work.flops), bytes: times(kernel.work.bytes) },
  }));
  const inputs = program.inputs.map((input) =>
    isShared.has(input.buffer) ? input : { ...input, shape: [models, ...input.shape] },
  );
  const outputs = program.outputs.map((output) => ({ ...output, shape: [models, ...output.shape] }));
  return { ...program, models, buffers, kernels, inputs, outputs };
}

/**
 * An indirect dispatch has one number of workgroups, and each model has its own: 0 or all. So all are dispatched, and those of
 * the models without work end at once.
 */
function withConditions<P extends Planned>(program: P, maxBuffers: number): P {
  const kernels = [...program.kernels];
  const direct = (step: Dispatch): Dispatch => {
    const { indirect, ...dispatch } = step;
    if (indirect === undefined) return step;
    const kernel = at(kernels, step.kernel);
    const { name } = at(program.buffers, indirect.buffer);
    const array = globalArray(indirect.buffer, { name, element: "u32" });
    const code = withCondition(kernel.code, { array, offset: indirect.offset });
    if (code.buffers.length > maxBuffers)
      throw new UserError(
        `${program.name}: ${kernel.name} binds ${code.buffers.length} buffers in a population, and the device allows ${maxBuffers}; use schedule "persistent" or "stepwise"`,
      );
    kernels.push({ ...kernel, name: `${kernel.name}_if`, code });
    return { ...dispatch, kernel: kernels.length - 1 };
  };
  const converted = <S extends Step>(step: S): S => {
    if (step.kind === "dispatch") return direct(step) as S;
    if (step.kind === "loop")
      return { ...step, body: step.body.map(converted), otherwise: step.otherwise.map(converted) };
    if (step.kind !== "choose") return step;
    return { ...step, branches: step.branches.map((branch) => ({ ...branch, steps: branch.steps.map(converted) })) };
  };
  const steps = program.steps.map(converted);
  return { ...program, kernels, steps };
}

function withCondition(code: KernelCode, runsIf: NonNullable<KernelCode["runsIf"]>): KernelCode {
  const { array, offset } = runsIf;
  const isBound = code.buffers.some((bound) => bound.array.buffer === array.buffer);
  const buffers = isBound ? code.buffers : [...code.buffers, { array, access: "read" as const }];
  return { ...code, runsIf, uniforms: withSums(code.uniforms, [offset]), buffers };
}

/** The sums of dimensions that a kernel reads, with others that it may not have yet. */
function withSums(uniforms: KernelCode["uniforms"], sums: readonly Size[]): KernelCode["uniforms"] {
  const all = new Map([...uniforms, ...sums].map((sum) => [sum.join(" + "), sum] as const));
  return [...all.values()];
}

/** A kernel that knows how far apart the models are in each of its buffers. */
function withStrides(code: KernelCode, buffers: readonly BufferSpec[]): KernelCode {
  const strides = code.buffers.map(({ array }) => {
    const { stride } = at(buffers, array.buffer);
    if (array.element === "f32x4" && stride?.some((dim) => Number(dim) % 4 !== 0) === true)
      throw new InternalError(
        `${array.name} is read in vectors, and a model's copy has ${stride.join(" + ")} elements`,
      );
    return stride;
  });
  const sums = strides.flatMap((sum) => (sum === undefined ? [] : [sum]));
  return { ...code, uniforms: withSums(code.uniforms, sums), strides };
}
