/**
 * @file `scan`: a loop over time as one node. Its body is the graph of one step. What the step reads from outside
 * (weights) becomes its consts; weight tying needs nothing more.
 */
import { type Dim, formatShape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { formatAval, type ScanAttrs, sameAval, scanResults } from "../graph/graph.ts";
import { checking, faultOf, opOptions } from "../trace/fault.ts";
import { currentFrame, Frame, within } from "../trace/frame.ts";
import { callSite } from "../trace/site.ts";
import { Tensor } from "../trace/tensor.ts";
import { checkedDim } from "./views.ts";

/** How a loop over time runs. */
export interface ScanOptions {
  /** Run from the last step to the first; xs and ys keep their order. */
  readonly reverse?: boolean;
  /** Number of steps if there are no xs. */
  readonly length?: Dim;
  /**
   * Keep only the carries between steps for the gradient, and compute the rest of a step again before its backward step: for
   * steps that are long segments of a sequence, whose values do not fit in memory together (Chen et al. 2016, "Training deep
   * nets with sublinear memory cost"). Nothing is moved out of such a step.
   */
  readonly recompute?: boolean;
  /** The name of the loop in printed graphs. */
  readonly name?: string;
}

/** What a step returns; for a whole loop, the final carries and the ys stacked over time. */
export interface StepResult {
  /** The values for the next step. */
  readonly carries: readonly Tensor[];
  /** The outputs of this step. */
  readonly ys: readonly Tensor[];
}

/**
 * Runs `step(carries, xs[t])` for every t. `xs` have a leading time axis; the ys are stacked along it. Carries have the
 * same dtype and shape in every step.
 */
export function scanTensors(
  step: (carries: readonly Tensor[], xs: readonly Tensor[]) => StepResult,
  initial: readonly Tensor[],
  xs: readonly Tensor[],
  options: ScanOptions = {},
): StepResult {
  opOptions("scanTensors", options, { reverse: "boolean", length: "any", recompute: "boolean", name: "string" });
  const length = scanLength(xs, options.length);
  const name = options.name ?? "step";
  const frame = new Frame(name, currentFrame());
  const carryIn = initial.map((tensor, i) => frame.input(`carry${i}`, tensor.aval));
  const xIn = xs.map((tensor, i) => frame.input(`x${i}`, { dtype: tensor.dtype, shape: tensor.shape.slice(1) }));
  const results = within(frame, () => step(carryIn, xIn));
  if (results?.carries?.length !== initial.length)
    throw faultOf(
      "scan",
      `the step returns ${results?.carries?.length ?? "no"} carries, but takes ${initial.length}; return { carries, ys } with as many carries`,
    );
  for (const [i, carry] of results.carries.entries()) {
    const before = at(initial, i);
    if (!sameAval(carry, before)) {
      throw faultOf(
        "scan",
        `carry ${i} starts as ${formatAval(before)} and leaves the step as ${formatAval(carry)}; its dtype and shape must not change`,
      );
    }
  }
  const body = frame.finish(
    [...carryIn, ...xIn].map((tensor) => tensor.id),
    [...results.carries, ...results.ys],
  );
  const consts = frame.captured.map(({ outer }) => outer);
  const { reverse = false, recompute = false } = options;
  const counts = { consts: consts.length, carries: initial.length };
  return emitScan({ body, ...counts, length, reverse, ...(recompute ? { recompute } : {}) }, [
    ...consts,
    ...initial,
    ...xs,
  ]);
}

/** Adds a scan node with a given body, and a node for each of its results. */
export function emitScan(attrs: ScanAttrs, operands: readonly Tensor[]): StepResult {
  const frame = currentFrame();
  const site = callSite();
  const ids = operands.map((tensor) => frame.resolve(tensor));
  const avals = scanResults(attrs);
  const scan = frame.builder.add("scan", ids, attrs, avals[0] ?? { dtype: "f32", shape: [] }, site);
  const results = avals.map(
    (aval, index) => new Tensor(frame, frame.builder.add("result", [scan], { index }, aval, site), aval),
  );
  return { carries: results.slice(0, attrs.carries), ys: results.slice(attrs.carries) };
}

function scanLength(xs: readonly Tensor[], given: Dim | undefined): Dim {
  const scalar = xs.findIndex(({ shape }) => shape.length === 0);
  if (scalar >= 0) throw faultOf("scan", `xs ${scalar} is a scalar; its leading axis must be time`);
  const wanted = given ?? xs[0]?.shape[0];
  if (wanted === undefined) throw faultOf("scan", "without xs, give the number of steps as `length`");
  const length = checking("scan", () => checkedDim(wanted));
  for (const [i, x] of xs.entries()) {
    if (x.shape[0] !== length) {
      throw faultOf("scan", `xs ${i} is ${formatShape(x.shape)}; its leading axis must be time, of ${length} steps`);
    }
  }
  return length;
}

/** The inputs of a scan's body by role. */
export function bodyInputs(attrs: ScanAttrs): {
  consts: readonly number[];
  carries: readonly number[];
  xs: readonly number[];
} {
  const { inputs } = attrs.body;
  return {
    consts: inputs.slice(0, attrs.consts),
    carries: inputs.slice(attrs.consts, attrs.consts + attrs.carries),
    xs: inputs.slice(attrs.consts + attrs.carries),
  };
}
