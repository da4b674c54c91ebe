/**
 * @file `recurrence`: runs any step function over time. `scan` uses it to run a cell; use it directly for decoders that
 * read their own predictions and other loops that are not cells.
 */
import { type Dim, formatShape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { where } from "../ops/logic.ts";
import { scanTensors } from "../ops/scan.ts";
import { iota } from "../ops/sources.ts";
import { broadcast, reshape, zerosLike } from "../ops/views.ts";
import { faultOf, opOptions } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";
import { isTensor, leavesOf, type Tree, withLeaves } from "../trace/tree.ts";

type Tensors = Tree<Tensor>;

/** How a loop over time runs. */
export interface RecurrenceOptions {
  /** Run from the last step to the first; outputs keep the order of the inputs. */
  readonly reverse?: boolean;
  /**
   * [time, batch], true where a step exists. Elsewhere the step reads zeros in place of xs, its state does not change,
   * its outputs are zero, and the gradient is exactly zero.
   */
  readonly mask?: Tensor<"bool"> | undefined;
  /** Number of steps if there are no xs. */
  readonly length?: Dim;
  /** The name of the loop in printed graphs. */
  readonly name?: string;
}

/** The result of a loop over time. */
export interface RecurrenceResult<S, O> {
  /** The outputs of all steps, with a leading time axis. */
  readonly outputs: O;
  /** The state after the last step. */
  readonly state: S;
}

/**
 * Runs `step(state, x)` over time. `state` and `xs` are tensors, or lists or records of them; xs are [time, batch, …],
 * and the step gets one time step of each, [batch, …]. The state has the same dtypes and shapes in every step.
 */
export function recurrence<S extends Tensors, X extends Tensors, O extends Tensors>(
  step: (state: S, x: X) => { readonly state: S; readonly output: O },
  initial: S,
  xs: X,
  options: RecurrenceOptions = {},
): RecurrenceResult<S, O> {
  const kinds = { reverse: "boolean", mask: "tensor", length: "any", name: "string" } as const;
  const { mask, reverse = false, length, name = "recurrence" } = opOptions("recurrence", options, kinds);
  const inputs = tensorsOf(xs);
  let output: O | undefined;
  const { carries, ys } = scanTensors(
    (carriesIn, xsIn) => {
      const exists = xsIn[inputs.length] as Tensor<"bool"> | undefined;
      const now = xsIn.slice(0, inputs.length);
      // Masked inputs are replaced before the step reads them: they can be NaN, and 0 · NaN is NaN.
      const read = exists === undefined ? now : now.map((x) => whereRows(exists, x, zerosLike(x)));
      const next = step(like(initial, carriesIn), like(xs, read));
      output = next.output;
      const [states, outputs] = [tensorsOf(next.state), tensorsOf(next.output)];
      if (states.length !== carriesIn.length)
        throw faultOf(
          name,
          `the step returns ${states.length} state tensors; it must return ${carriesIn.length}, as in the initial state`,
        );
      if (exists === undefined) return { carries: states, ys: outputs };
      return {
        carries: states.map((state, i) => whereRows(exists, state, at(carriesIn, i))),
        ys: outputs.map((y) => whereRows(exists, y, zerosLike(y))),
      };
    },
    tensorsOf(initial),
    mask === undefined ? inputs : [...inputs, mask],
    { reverse, name, ...(length === undefined ? {} : { length }) },
  );
  return { outputs: like(output as O, ys), state: like(initial, carries) };
}

/** The step number for every step and row: u32 [time, batch]. As an input of a loop it tells each step its time. */
export function stepNumbers(time: Dim, batch: Dim): Tensor<"u32"> {
  return iota([time, batch], 0, "u32");
}

const tensorsOf = (tree: Tensors): Tensor[] => leavesOf(tree, isTensor).map(({ leaf }) => leaf);
const like = <T extends Tensors>(tree: T, leaves: readonly Tensor[]): T => withLeaves(tree, isTensor, leaves) as T;

/** Rows of `a` where the mask [batch] is true, rows of `b` elsewhere. */
function whereRows(mask: Tensor<"bool">, a: Tensor, b: Tensor): Tensor {
  const { shape } = a;
  if (shape[0] !== mask.shape[0])
    throw faultOf(
      "mask",
      `it is ${formatShape(mask.shape)} in a step, but a value of the step is ${formatShape(shape)}; both must start with the batch`,
    );
  return where(broadcast(reshape(mask, [...mask.shape, ...shape.slice(1).map(() => 1)]), shape), a, b);
}
