/** @file Properties of every random cell, and of any other loss; each is a function that throws if it does not hold. */
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { unroll } from "../../compiler/passes/unroll.ts";
import { passes } from "../../compiler/plan-program.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { interpret, traceGraph } from "../../index.ts";
import type { Executor } from "../executor.ts";
import { jittered, norm, relativeError } from "../numbers/compare.ts";
import { compareWithQuotients, excessOverRounding } from "../numbers/difference-quotient.ts";
import { generator } from "../numbers/random-data.ts";
import { differenceTolerance } from "../tolerance.ts";
import { chosen, type LossGraphs, merged, site } from "./cell-graphs.ts";
import { nodeValues, sizesOf, stoppedValues } from "./node-values.ts";
import { buildCell, type RandomCell } from "./random-cell.ts";

export interface Prepared extends LossGraphs {
  /** Computed in float64 by the interpreter. */
  readonly value: NdArray;
  readonly gradients: readonly NdArray[];
  /** Errors of the gradient are relative to this. */
  readonly scale: number;
}

export function prepare(graphs: LossGraphs): Prepared {
  const { gradient, inputs, moving, seed } = graphs;
  const [value, ...gradients] = interpret(gradient, inputs);
  const [, ...changed] = interpret(gradient, jittered(inputs, moving, seed));
  const scale = Math.max(norm(gradients), relativeError(changed, gradients, 1));
  return {
    ...graphs,
    value: at(
      [value].filter((v) => v !== undefined),
      0,
    ),
    gradients,
    scale,
  };
}

export function expectBelow(error: number, limit: number, what: string): void {
  if (!(error <= limit)) throw new Error(`${what}: the error is ${error.toExponential(2)}, allowed is ${limit}`);
}

const numberOf = (value: NdArray | undefined): number => value?.data[0] ?? Number.NaN;

/** A random direction for each differentiated input, with elements in ±1. */
export function direction({ gradients }: Prepared, seed: number): NdArray[] {
  const random = generator(seed);
  return gradients.map((gradient) => ({ ...gradient, data: gradient.data.map(() => 2 * random() - 1) }));
}

/** The dot product of two vectors, and the norm of the vector of their elementwise products. */
function product(a: readonly NdArray[], b: readonly NdArray[]): { sum: number; length: number } {
  const terms = a.flatMap(({ data }, i) => [...data].map((value, k) => value * (at(b, i).data[k] ?? Number.NaN)));
  return {
    sum: terms.reduce((total, term) => total + term, 0),
    length: Math.sqrt(terms.reduce((total, term) => total + term * term, 0)),
  };
}

/** Compares reverse mode with central differences of the loss (compareWithQuotients). */
export function gradientIsDifferenceQuotient(cell: Prepared): void {
  const { inputs, moving, straightLoss, gradients, value } = cell;
  const start = chosen(inputs, moving);
  const before = nodeValues(straightLoss, inputs);
  for (const seed of [1, 2]) {
    const along = direction(cell, seed);
    const loss = (distance: number) => {
      const moved = start.map((array, i) => ({
        ...array,
        data: array.data.map((number, k) => number + distance * (at(along, i).data[k] ?? 0)),
      }));
      return [at(stoppedValues(straightLoss, merged(inputs, moving, moved), before), at(straightLoss.outputs, 0))];
    };
    const { sum, length } = product(gradients, along);
    // A loss has a relative accuracy of 1e-16, which a quotient with h = 1e-3 or less turns into 1e-12 at best.
    const scale = Math.max(length, 1e-6 * Math.max(Math.abs(numberOf(value)), 1e-3));
    const derivative = [ndarray([], [sum])];
    if (compareWithQuotients(loss, derivative, scale).outcome === "right") continue;
    expectBelow(
      excessOverRounding(loss, derivative) / scale,
      differenceTolerance,
      "gradient against difference quotient",
    );
  }
}

/** Compares reverse mode with forward mode. */
export function reverseIsForward(cell: Prepared): void {
  const along = direction(cell, 3);
  const [value, tangent] = interpret(cell.forwardMode, [...cell.inputs, ...along]);
  const { sum, length } = product(cell.gradients, along);
  const error = Math.abs(numberOf(tangent) - sum);
  expectBelow(error === 0 ? 0 : error / length, 1e-10, "reverse against forward mode");
  expectBelow(Math.abs(numberOf(value) - numberOf(cell.value)), 0, "value in forward mode");
}

/** Compares the unrolled gradient, and the gradient of the unrolled loss, with those of the scan. */
export function unrolledIsScan(cell: Prepared): void {
  const { gradient, inputs, gradients, value } = cell;
  const size = Math.max(1, Math.abs(numberOf(value)));
  const specialized = verify(specialize(gradient, sizesOf(gradient, inputs)));
  for (const [what, graph] of [
    ["specialized gradient", specialized],
    ["unrolled gradient", verify(unroll(specialized))],
    ["gradient of the unrolled loss", cell.straightGradient],
  ] as const) {
    const [unrolledValue, ...unrolled] = interpret(graph, inputs);
    expectBelow(Math.abs(numberOf(unrolledValue) - numberOf(value)) / size, 1e-12, `value, ${what}`);
    expectBelow(relativeError(unrolled, gradients, cell.scale), 1e-12, what);
  }
}

/** Checks that each compiler pass returns a valid graph with the same values. */
export function passesKeepValues(cell: Prepared): void {
  const size = Math.max(1, Math.abs(numberOf(cell.value)));
  let graph = cell.gradient;
  for (const pass of passes) {
    graph = verify(pass.run(graph));
    const [value, ...gradients] = interpret(graph, cell.inputs);
    expectBelow(Math.abs(numberOf(value) - numberOf(cell.value)) / size, 1e-12, `value after the pass ${pass.name}`);
    expectBelow(relativeError(gradients, cell.gradients, cell.scale), 1e-12, `gradient after the pass ${pass.name}`);
  }
}

/** Checks that programs of both schedules, and for both kinds of device, satisfy WebGPU's rules and minimum limits. */
export function programsAreValid({ gradient }: Prepared): void {
  compileProgram(gradient, { schedule: "auto", target: "gpu" });
  compileProgram(gradient, { schedule: "stepwise", target: "software" });
}

/** Compares a sequence split in two, with the state carried over, with the whole sequence. */
export function splitIsWhole({ plan }: RandomCell, { inputs }: Prepared): void {
  if (plan.time < 2) return;
  const { anyTime, graph } = atSite(site, () => {
    const anyTime = buildCell({ ...plan, symbolicTime: true });
    const graph = traceGraph("forward", anyTime.inputs, (tensors) => {
      const { outputs, states } = anyTime.run(tensors);
      return [outputs, ...states];
    });
    return { anyTime, graph: verify(graph) };
  });
  const cut = 1 + (plan.seed % (plan.time - 1));
  const stateAt = anyTime.inputs.flatMap(({ role }, i) => (role === "state" || role === "count" ? [i] : []));
  const part = ([from, to]: readonly [number, number], states?: readonly NdArray[]) =>
    anyTime.inputs.map(({ role }, i) => {
      const whole = at(inputs, i);
      if (role === "x" || role === "mask" || role === "tokens") return rows(whole, from, to);
      return states !== undefined && stateAt.includes(i) ? at(states, stateAt.indexOf(i)) : whole;
    });
  const [outputs, ...states] = interpret(graph, part([0, plan.time]));
  const [early, late] = [
    [0, cut],
    [cut, plan.time],
  ] as const;
  const [firstOutputs, ...between] = interpret(graph, part(plan.reverse ? late : early));
  const [secondOutputs, ...end] = interpret(graph, part(plan.reverse ? early : late, between));
  const pieces = plan.reverse ? [secondOutputs, firstOutputs] : [firstOutputs, secondOutputs];
  const joined = pieces.flatMap((piece) => [...(piece?.data ?? [])]);
  const whole = [outputs, ...states].flatMap((array) => [...(array?.data ?? [])]);
  const cutInTwo = [...joined, ...end.flatMap(({ data }) => [...data])];
  const differs = whole.length !== cutInTwo.length || whole.some((value, i) => value !== cutInTwo[i]);
  if (differs) throw new Error(`the sequence split at ${cut} differs from the whole`);
}

/** Checks that values where the mask is false have no effect, by replacing them with NaN and invalid tokens. */
export function paddingIsHidden(
  { plan, inputs: roles }: RandomCell,
  { gradient, inputs, value, gradients }: Prepared,
): void {
  const mask = inputs[roles.findIndex(({ role }) => role === "mask")];
  if (!plan.mask || mask === undefined) return;
  const odd = inputs.map((given, i) => {
    const role = roles[i]?.role;
    if (role !== "x" && role !== "tokens") return given;
    const width = given.data.length / mask.data.length;
    const filler = role === "x" ? Number.NaN : -1;
    return { ...given, data: given.data.map((number, k) => (mask.data[Math.floor(k / width)] ? number : filler)) };
  });
  const [before, after] = [[value, ...gradients], interpret(gradient, odd)].map((arrays) =>
    arrays.flatMap(({ data }) => [...data]),
  ) as [number[], number[]];
  if (before.some((number, i) => number !== after[i])) throw new Error("values where the mask is false have an effect");
}

/** Steps from `from` up to `to`. */
function rows(array: NdArray, from: number, to: number): NdArray {
  const width = sizeOfNumbers(array.shape.slice(1));
  return { ...array, shape: [to - from, ...array.shape.slice(1)], data: array.data.slice(from * width, to * width) };
}

/** Compares loss and gradient on an executor with the interpreter's. */
export async function sameOn({ execute, name, tolerance }: Executor, cell: Prepared): Promise<void> {
  const [value, ...gradients] = await execute(cell.gradient, cell.inputs);
  const size = Math.max(1, Math.abs(numberOf(cell.value)));
  expectBelow(Math.abs(numberOf(value) - numberOf(cell.value)) / size, tolerance, `loss on the ${name}`);
  expectBelow(relativeError(gradients, cell.gradients, cell.scale), tolerance, `gradient on the ${name}`);
}
