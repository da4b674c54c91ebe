/**
 * @file A random cell, ready to use: its inputs, functions to trace it and its loss, random numbers for the inputs, and its
 * source text.
 */
import type { Dim, Shape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Aval, DType } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray, zeros } from "../../compiler/graph/ndarray.ts";
import { model, type ParameterTensors, type Tensor } from "../../index.ts";
import { generator, randomFloats, randomIntegers } from "../numbers/random-data.ts";
import type { CellPlan } from "./cell-plan.ts";
import { type PrintedInput, printedProgram } from "./printed-program.ts";
import { writeLoss } from "./random-loss.ts";
import { type Arguments, type CellOutputs, statesOf, vocabulary, writeModel } from "./random-model.ts";
import { SourceWriter } from "./source-writer.ts";

type Role = "parameter" | "x" | "state" | "count" | "key" | "mask" | "tokens";

export interface CellInput extends Aval {
  readonly name: string;
  /** Meaning of its values. */
  readonly role: Role;
}

/** A random recurrent network over a sequence: its inputs, functions to trace it, and its source. */
export interface RandomCell {
  /** The plan it was built from, as plain data. */
  readonly plan: CellPlan;
  /** Parameters, x, initial states, and other inputs. */
  readonly inputs: readonly CellInput[];
  /** Avals of the outputs and of each state: the loss weights each with numbers of this shape. */
  readonly results: readonly Aval[];
  /** To be called while tracing, on tensors for the inputs. */
  readonly run: (inputs: readonly Tensor[]) => CellOutputs;
  /** A scalar that depends on all results, each with its weights. */
  readonly loss: (inputs: readonly Tensor[], weights: readonly Tensor[]) => Tensor<"f32">;
  /** A program that checks its loss at its numbers, ready to paste into a module and run. */
  readonly text: string;
  /** The DSL functions that it calls. */
  readonly functions: ReadonlySet<string>;
}

/** The fields that determine the numbers of a cell. */
type CellNumbers = Pick<RandomCell, "plan" | "inputs" | "results">;

/** Whether an input is differentiated. The counter is f32 but not differentiated. */
export const moves = ({ role }: CellInput): boolean => role === "parameter" || role === "x" || role === "state";

export function buildCell(plan: CellPlan): RandomCell {
  const [time, batch] = dimsOf(plan);
  const writer = new SourceWriter();
  const results: Aval[] = [];
  const network = model("random", (args: Arguments) => writeModel(new SourceWriter(), plan, batch, args));
  const written = model("random", (args: Arguments) => {
    const { outputs, states } = writeModel(writer, plan, batch, args);
    results.push(outputs.aval, ...states.map((state) => state.aval));
    writeLoss(writer, plan, [outputs, ...states]);
  });
  const fixed = fixedInputs(plan, time, batch);
  const specs = written.specs(Object.fromEntries(fixed.map(({ name, dtype, shape }) => [name, { dtype, shape }])));
  const parameters = specs.map(({ path, shape }) => input("parameter", "f32", shape, path));
  const inputs = [...parameters, ...fixed];
  const run = (tensors: readonly Tensor[]): CellOutputs => {
    const named = inputs.map(({ name }, i) => [name, at(tensors, i)] as const);
    const weights = Object.fromEntries(named.slice(0, parameters.length)) as ParameterTensors;
    return network.apply(weights, Object.fromEntries(named.slice(parameters.length)));
  };
  const loss = (tensors: readonly Tensor[], weights: readonly Tensor[]): Tensor<"f32"> => {
    const { outputs, states } = run(tensors);
    return writeLoss(new SourceWriter(), plan, [outputs, ...states], weights);
  };
  const cell = { plan, inputs, results, run, loss, functions: writer.used };
  return {
    ...cell,
    get text() {
      return printedProgram(writer.used, writer.lines, printedInputs(cell), plan.seed);
    },
  };
}

function printedInputs(cell: CellNumbers): PrintedInput[] {
  const { values, weights } = cellData(cell);
  const kindOf = (input: CellInput) => (input.role === "parameter" ? "parameters" : moves(input) ? "inputs" : "fixed");
  return [
    ...cell.inputs.map((aval, i) => ({ aval, value: at(values, i), kind: kindOf(aval) }) as const),
    ...cell.results.map((aval, i) => {
      return { aval: { ...aval, name: `weights${i}` }, value: at(weights, i), kind: "fixed" } as const;
    }),
  ];
}

export function dimsOf(plan: CellPlan): [time: Dim, batch: Dim] {
  return [plan.symbolicTime ? "T" : plan.time, plan.symbolicBatch ? "B" : plan.batch];
}

function input(role: Role, dtype: DType, shape: Shape, name: string = role): CellInput {
  return { role, dtype, shape, name };
}

function fixedInputs(plan: CellPlan, time: Dim, batch: Dim): CellInput[] {
  const states = Object.entries(statesOf(plan)).map(([name, shape]) =>
    input(name === "count" ? "count" : "state", "f32", [batch, ...shape], name),
  );
  return [
    input("x", "f32", [time, batch, plan.features]),
    ...states,
    input("key", "u32", []),
    ...(plan.mask ? [input("mask", "bool", [time, batch])] : []),
    ...(plan.tokens ? [input("tokens", "i32", [time, batch])] : []),
  ];
}

/** Random numbers for every input and, for the loss, for every result. */
export function cellData({ plan, inputs, results }: CellNumbers): { values: NdArray[]; weights: NdArray[] } {
  const random = generator(plan.seed);
  const sized = (shape: Shape) =>
    shape.map((dim) => (dim === "T" ? plan.time : dim === "B" ? plan.batch : Number(dim)));
  return {
    values: inputs.map(({ role, shape }) => numbersFor(plan, role, sized(shape), random)),
    weights: results.map(({ shape }) => randomFloats(random, sized(shape))),
  };
}

function numbersFor(plan: CellPlan, role: Role, shape: readonly number[], random: () => number): NdArray {
  switch (role) {
    case "parameter":
      // Kernels [rows, units] preserve the magnitude of their operand.
      return randomFloats(random, shape, shape.length < 2 ? 1 : 1 / Math.sqrt(at(shape, 0)));
    case "x":
      return randomFloats(random, shape, plan.scale);
    case "state":
      return randomFloats(random, shape);
    case "count":
      return zeros(shape);
    case "key":
      return randomIntegers(random, shape, 2 ** 32, "u32");
    case "mask":
      return ndarray(
        shape,
        Array.from({ length: plan.time * plan.batch }, () => Number(random() < 0.8)),
        "bool",
      );
    case "tokens":
      return randomIntegers(random, shape, vocabulary, "i32");
  }
}
