/**
 * @file Recurrent cells: a cell is a pure step (x, state) -> (state, output), and `scan` runs one over a sequence.
 *
 * The step is written on symbolic tensors with a leading batch axis; the loop is outside it. An instance owns its
 * weights: using one instance twice ties them; two instances of one cell have separate weights.
 */

import { type Dim, formatShape, type Shape, sameShape } from "../graph/dim.ts";
import { at, expectArgument, inWords, UserError } from "../graph/errors.ts";
import { checkedOptions } from "../graph/options.ts";
import { fill } from "../ops/views.ts";
import { expectTensors } from "../trace/expect.ts";
import { faultOf, opOptions } from "../trace/fault.ts";
import { Tensor } from "../trace/tensor.ts";
import { currentStore } from "./parameters.ts";
import { recurrence, stepNumbers } from "./recurrence.ts";

type Float = Tensor<"f32">;

/** The state of a cell: tensors by name. */
export type State<Names extends string = string> = { readonly [K in Names]: Float };

/** What a step returns. */
export interface CellResult<Names extends string> {
  /** The next state, with the names and shapes of the state that the step read. */
  readonly state: State<Names>;
  /** What the layer above sees: [batch, …]. */
  readonly output: Float;
}

/** The input of a step: x [batch, features], its number of features, the number of units, and the state by name. */
export type StepInput<Names extends string> = {
  readonly x: Float;
  readonly units: number;
  readonly features: number;
} & State<Names>;

/** What a step reads besides its states. */
const inputNames: readonly string[] = ["x", "units", "features"];

/** One cell with its size and weights: `scan` runs it, and a streaming step calls it. */
export interface Cell<Names extends string = string> {
  /** The name of its definition. */
  readonly name: string;
  /** The number of units. */
  readonly units: number;
  /** The shape of each state, without the batch. */
  readonly stateShapes: Readonly<Record<Names, Shape>>;
  /** One step on a batch: x is [batch, features], each state [batch, ...its shape]; `time` as `isTimed` says. */
  readonly step: (x: Float, state: State<Names>, time?: Tensor<"u32">) => CellResult<Names>;
  /** Whether the step needs the number of the time step, [batch], to draw different random numbers in each. */
  readonly isTimed?: boolean;
}

/** Makes a cell with the given number of units. */
export interface CellDefinition<Names extends string = string> {
  (units: number): Cell<Names>;
  /** The name passed to `cell`. */
  readonly cellName: string;
}

/**
 * Defines a cell. `state` returns the shape of each state for a number of units, without the batch; `step` has the
 * equations of one time step, and reads each state by its name. Names can be any text: kernels, model files and the
 * command line show `?` or an escape for characters that cannot be printed.
 *
 * @param name The scope of its parameters, and the cell's name in files and messages.
 * @param shapes `state` returns the shape of each state, by name.
 * @param step The equations: from x, the states by name and `units` to the next states and an output.
 */
export function cell<Names extends string>(
  name: string,
  shapes: { readonly state: (sizes: { readonly units: number }) => Readonly<Record<Names, Shape>> },
  step: (input: StepInput<Names>) => CellResult<Names>,
): CellDefinition<Names> {
  checkedOptions(`cell "${name}"`, shapes, { state: "any" });
  expectArgument(
    typeof shapes.state === "function",
    `cell "${name}": state`,
    shapes.state,
    "a function, such as ({ units }) => ({ h: [units] })",
  );
  expectArgument(
    typeof step === "function",
    `cell "${name}": the step`,
    step,
    "a function that returns { state, output }",
  );
  const define = (units: number): Cell<Names> => {
    if (!Number.isInteger(units) || units < 1)
      throw faultOf(name, `units must be a whole number above 0, got ${units}`);
    const stateShapes = errorsOf(name, () => shapes.state({ units }));
    const names = Object.keys(stateShapes) as Names[];
    const taken = names.find((key) => inputNames.includes(key));
    if (taken !== undefined)
      throw faultOf(name, `a state cannot be called ${taken}: the step reads something else by that name`);
    for (const key of names) checkStateShape(name, key, stateShapes[key]);
    const instance: Cell<Names> = {
      name,
      units,
      stateShapes,
      step: (x, state) =>
        currentStore().instanceScope(instance, name, () => {
          const features = x.shape[x.shape.length - 1];
          if (typeof features !== "number") {
            throw faultOf(name, `x is ${formatShape(x.shape)}; its last axis must be a known number of features`);
          }
          const result = errorsOf(name, () => step({ x, units, features, ...state } as StepInput<Names>));
          // JavaScript callers can return anything, and an async step returns a promise.
          if (result?.state === undefined) throw faultOf(name, "the step must return { state, output }");
          for (const key of names) checkState(name, key, state[key], result.state[key]);
          const unknown = Object.keys(result.state).find((key) => !Object.hasOwn(stateShapes, key));
          if (unknown !== undefined)
            throw faultOf(
              name,
              `the step returns a state ${unknown} that the cell does not have; its states are ${names.join(", ") || "none"}`,
            );
          if (!(result.output instanceof Tensor))
            throw faultOf(
              name,
              `the step must return { state, output }; output is ${inWords(result.output)}, not a tensor`,
            );
          if (result.output.shape[0] !== x.shape[0])
            throw faultOf(
              name,
              `output is ${formatShape(result.output.shape)}; expected [${x.shape[0]}, …], as x is ${formatShape(x.shape)}`,
            );
          return {
            state: Object.fromEntries(names.map((key) => [key, result.state[key]])) as State<Names>,
            output: result.output,
          };
        }),
    };
    return instance;
  };
  return Object.assign(define, { cellName: name });
}

/** A definition is not an instance: it must be called with the number of units. */
export function checkInstance<Names extends string>(where: string, instance: Cell<Names>): void {
  expectArgument(
    typeof instance === "object" && instance !== null && "stateShapes" in instance,
    `${where}: the cell`,
    instance,
    "a cell with its units: gru(8), not gru",
  );
}

/** Runs the code of the cell's author. JavaScript can throw anything, and only an Error says where it came from. */
function errorsOf<T>(cellName: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Error) throw error;
    throw new UserError(`${cellName}: its code throws ${inWords(error)}; throw an Error instead`);
  }
}

function checkStateShape(cellName: string, key: string, shape: Shape): void {
  const isSize = (dim: unknown) => typeof dim === "string" || (Number.isInteger(dim) && Number(dim) > 0);
  if (Array.isArray(shape) && shape.every(isSize)) return;
  const found = Array.isArray(shape) ? `the shape [${shape.join(", ")}]` : "no shape";
  throw faultOf(cellName, `state ${key} has ${found}; expected whole numbers above 0, such as [units]`);
}

function checkState(cellName: string, key: string, before: Float, after: Float | undefined): void {
  if (!(after instanceof Tensor))
    throw faultOf(cellName, `the step does not return state ${key}; return { state: { ${key} }, output }`);
  if (!sameShape(before.shape, after.shape)) {
    throw faultOf(
      cellName,
      `state ${key} is ${formatShape(before.shape)} before the step and ${formatShape(after.shape)} after it; the shapes must be equal`,
    );
  }
}

/** The default initial state of a sequence: zeros. */
export function zeroState<Names extends string>(instance: Cell<Names>, batch: Dim): State<Names> {
  const entries = Object.entries<Shape>(instance.stateShapes).map(([key, shape]) => [key, fill([batch, ...shape], 0)]);
  return Object.fromEntries(entries) as State<Names>;
}

/** How a sequence is run. */
export interface ScanCellOptions<Names extends string> {
  /** The state before the first step; zeros by default. */
  readonly initial?: State<Names>;
  /** Run from the last step to the first; outputs keep the order of the inputs. */
  readonly reverse?: boolean;
  /**
   * [time, batch], true where a step exists. Elsewhere the cell reads zeros in place of xs, its state does not change,
   * its output is zero, and the gradient is exactly zero.
   */
  readonly mask?: Tensor<"bool"> | undefined;
}

/** The result of a whole sequence. */
export interface ScanCellResult<Names extends string> {
  /** [time, batch, ...]. */
  readonly outputs: Float;
  /** The state after the last step. */
  readonly state: State<Names>;
}

/** Runs a cell over `xs` [time, batch, features]. */
export function scan<Names extends string>(
  instance: Cell<Names>,
  xs: Float,
  options: ScanCellOptions<Names> = {},
): ScanCellResult<Names> {
  const kinds = { initial: "object", reverse: "boolean", mask: "tensor" } as const;
  const { mask, reverse = false } = opOptions<ScanCellOptions<string>>("scan", options, kinds);
  checkInstance("scan", instance);
  expectTensors("scan", xs);
  if (xs.shape.length !== 3) throw faultOf("scan", `xs is ${formatShape(xs.shape)}; expected [time, batch, features]`);
  const [time, batch] = [at(xs.shape, 0), at(xs.shape, 1)];
  const names = Object.keys(instance.stateShapes) as Names[];
  const given = options.initial ?? zeroState(instance, batch);
  const initial = names.map((key) => {
    const tensor = given[key];
    if (!(tensor instanceof Tensor)) throw faultOf("scan", `the initial state lacks ${key} of ${instance.name}`);
    const expected = [batch, ...instance.stateShapes[key]];
    if (sameShape(tensor.shape, expected)) return tensor;
    const found = `the initial state ${key} is ${formatShape(tensor.shape)}`;
    throw faultOf("scan", `${found}; ${instance.name} of ${instance.units} units needs ${formatShape(expected)}`);
  });
  const { outputs, state } = recurrence(
    (before: readonly Float[], [x, now]: readonly Tensor[]) => {
      const next = instance.step(x as Float, named(names, before), now as Tensor<"u32"> | undefined);
      return { state: names.map((key) => next.state[key]), output: next.output };
    },
    initial,
    instance.isTimed ? [xs, stepNumbers(time, batch)] : [xs],
    { reverse, mask, name: instance.name },
  );
  return { outputs, state: named(names, state) };
}

function named<Names extends string>(names: readonly Names[], tensors: readonly Float[]): State<Names> {
  return Object.fromEntries(names.map((key, i) => [key, at(tensors, i)])) as State<Names>;
}
