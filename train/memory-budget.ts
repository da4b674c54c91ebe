/**
 * @file Training within a memory budget. If a step of whole sequences does not fit, it is cut into segments of time, whose
 * forward pass is computed twice (forms/in-segments.ts). Which segments fit is known before anything is computed, by the bytes
 * that the planner counts.
 */
import { bindShape, type DimSizes, evaluateDim } from "../compiler/graph/dim.ts";
import { expectArgument, LimitError, UserError } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Program } from "../compiler/plan/program.ts";
import type { CompileOptions, Device, Executable } from "../devices/device.ts";
import { partsOf } from "./arena.ts";
import type { Segmentation } from "./forms/in-segments.ts";
import type { Objective } from "./objective.ts";
import type { UpdateOptions } from "./optimizers/update.ts";
import { type LossRewrite, type TrainingStep, trainingStep } from "./training-step.ts";

/** The memory that a training step may use, and the sizes of the batches that it is planned for. */
export interface MemoryBudget {
  /**
   * Most bytes of a step: weights, slots, the batch, and what is computed, as the planner counts them. "auto" is what the
   * device can hold; WebGPU does not say how much that is, only how large one buffer may be.
   */
  readonly bytes: number | "auto";
  /** Rows of a batch. */
  readonly batch: number;
  /** Steps of its sequences. */
  readonly time: number;
}

/** The part of a device that plans programs. */
export interface Planner extends Pick<Device, "kind" | "limits"> {
  readonly lower?: (graph: Graph, options: CompileOptions) => { readonly buffers: Program["buffers"] };
}

/** How a step fits in a budget. */
export interface FittedStep {
  readonly step: TrainingStep;
  /** undefined if whole sequences fit. */
  readonly segments: Segmentation | undefined;
  /** Bytes of the step at the sizes of the budget; undefined if the device has no programs. */
  readonly bytes: number | undefined;
}

const ofBudget = { bytes: "any", batch: "number", time: "number" } as const;

/** Checks a budget that a user gave. */
export function checkBudget(where: string, budget: MemoryBudget): MemoryBudget {
  const { bytes, batch, time } = checkedOptions(`${where}: memory`, budget, ofBudget);
  const isAmount = bytes === "auto" || (typeof bytes === "number" && bytes > 0);
  expectArgument(isAmount, `${where}: memory.bytes`, bytes, 'a number of bytes, or "auto"');
  for (const [name, size] of Object.entries({ batch, time }))
    expectArgument(Number.isInteger(size) && size > 0, `${where}: memory.${name}`, size, "a whole number from 1");
  return budget;
}

/**
 * The training step that fits in a budget on a device: whole if it does, else in segments.
 *
 * @throws UserError if none fits, or if the loss cannot be cut into segments, with the op and the line.
 */
export function fittedStep(
  device: Planner,
  objective: Objective,
  options: UpdateOptions,
  compile: CompileOptions,
  { bytes, batch, time }: MemoryBudget,
  rewrite?: LossRewrite,
): FittedStep {
  const most = bytes === "auto" ? (device.limits?.bytes ?? Number.POSITIVE_INFINITY) : bytes;
  const mostOfBuffer = device.limits?.bufferBytes ?? Number.POSITIVE_INFINITY;
  const tried = (segments: Segmentation | undefined) => {
    const step = trainingStep(objective, options, segments, rewrite);
    const sizes = { B: batch, T: time };
    const program = lowered(device, step, { ...compile, sizes });
    // Only a device that bounds buffers rejects one.
    if (program instanceof LimitError) return { step, segments, bytes: undefined, fits: false };
    const buffers = (program?.buffers ?? []).map(({ size }) =>
      size.reduce<number>((total, dim) => total + 4 * evaluateDim(dim, sizes), 0),
    );
    const total = buffers.reduce((sum, size) => sum + size, 0);
    const fits = total <= most && buffers.every((size) => size <= mostOfBuffer);
    return { step, segments, bytes: program && total, fits };
  };
  const whole = tried(undefined);
  if (whole.fits) return whole;
  const cut = (steps: number) => tried({ length: time, steps: Math.ceil(time / Math.ceil(time / steps)) });
  let least: ReturnType<typeof tried> | undefined;
  for (const steps of segmentLengths(device, time)) {
    const one = cut(steps);
    if (one.fits) return one;
    if (least?.bytes === undefined || (one.bytes ?? Number.POSITIVE_INFINITY) < least.bytes) least = one;
  }
  if (least?.bytes === undefined) {
    const error = least && lowered(device, least.step, { ...compile, sizes: { B: batch, T: time } });
    if (error instanceof LimitError) throw error;
  }
  const needs = `at least ${megabytes(least?.bytes ?? 0)}, in segments of ${least?.segments?.steps} steps`;
  const limit = Number.isFinite(most) ? megabytes(most) : `${megabytes(mostOfBuffer)} in one buffer`;
  throw new UserError(
    `a training step of ${batch} rows x ${time} steps needs ${needs}, and its memory is ${limit}: lower the batch or the units, or allow more memory`,
  );
}

/** The program of a step; an error if a value of it is larger than a buffer may be. */
function lowered(device: Planner, { graph, donate, arena }: TrainingStep, options: CompileOptions) {
  try {
    return device.lower?.(graph, { ...options, donate, parts: partsOf(graph, arena) });
  } catch (error) {
    if (error instanceof LimitError) return error;
    throw error;
  }
}

/**
 * The lengths of segments to try, the best first. Few long segments keep a GPU busy; short ones stay in a CPU's cache. Far from
 * these there are other needs: shorter ones for large states within a segment, longer ones for many states between them.
 */
function segmentLengths({ kind }: Planner, time: number): readonly number[] {
  const best = kind === "cpu" ? 128 : 1024;
  const factors = [1, 1 / 2, 1 / 4, 2, 1 / 8, 4, 1 / 16, 8, 1 / 32, 16, 1 / 64, 1 / 128];
  return [...new Set(factors.map((factor) => Math.max(1, Math.min(Math.ceil(time / 2), best * factor))))];
}

/** The length of the sequences of a batch, from the inputs that have an axis of time; undefined if none has. */
export function lengthOf(
  { batch }: Objective,
  inputs: Readonly<Record<string, Pick<NdArray, "shape">>>,
): number | undefined {
  const sizes: Record<string, number> = {};
  for (const [name, { shape }] of Object.entries(batch)) bindShape(shape, inputs[name]?.shape ?? [], sizes);
  return sizes.T;
}

/** The programs of a training step: one for sequences of the budget's length, one for all others. */
export interface TrainingPrograms {
  readonly segments: Segmentation | undefined;
  /** The one for a batch with these inputs. */
  readonly for: (inputs: Readonly<Record<string, Pick<NdArray, "shape">>>) => Executable;
  readonly destroy: () => void;
}

/** Compiles a training step, within a budget if there is one. */
export async function trainingPrograms(
  device: Device,
  objective: Objective,
  whole: TrainingStep,
  options: UpdateOptions,
  compile: CompileOptions,
  budget: MemoryBudget | undefined,
  rewrite: LossRewrite | undefined,
): Promise<TrainingPrograms> {
  const compiled = ({ graph, arena, donate, outputs: { metrics } }: TrainingStep, sizes?: DimSizes) =>
    device.compile(graph, {
      ...{ ...compile, donate, sizes, parts: partsOf(graph, arena) },
      readback: metrics === undefined ? [] : [metrics],
    });
  const fitted = budget && fittedStep(device, objective, options, compile, budget, rewrite);
  const segments = fitted?.segments;
  const sizes = budget && { B: budget.batch, T: budget.time };
  const any = await compiled(whole, segments === undefined ? sizes : undefined);
  if (fitted === undefined || segments === undefined) return { segments, for: () => any, destroy: any.destroy };
  const cut = await compiled(fitted.step, sizes);
  return {
    segments,
    for: (inputs) => (lengthOf(objective, inputs) === segments.length ? cut : any),
    destroy: () => {
      any.destroy();
      cut.destroy();
    },
  };
}

/** How sequences are cut, in words. */
export function segmentsLine({ length, steps }: Segmentation): string {
  const count = Math.ceil(length / steps);
  return `memory: sequences of ${length} steps in ${count} segments of ${steps}, which are computed twice`;
}

function megabytes(bytes: number): string {
  if (bytes < 2 ** 20) return `${Math.ceil(bytes / 2 ** 10)} KiB`;
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
}
