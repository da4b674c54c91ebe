/** @file Traces the model of a plan and writes its source at the same time. */
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type CellResult, cell, concat, embedding, scan, type Tensor } from "../../index.ts";
import { type AffinePlan, affineBound, nextOfGroup } from "./affine-step.ts";
import { type CellPlan, rules } from "./cell-plan.ts";
import { type Instruction, StepInProgress } from "./instructions.ts";
import { type SourceWriter, Value } from "./source-writer.ts";

type Float = Tensor<"f32">;

/** Arguments of a model by name: x, key, the states, and optionally mask and tokens. */
export type Arguments = Readonly<Record<string, Tensor>>;

export interface CellOutputs {
  readonly outputs: Float;
  readonly states: readonly Float[];
}

export const vocabulary = 5;

/** Shapes of the states by name, without the batch axis. */
export function statesOf({ states, counts }: Pick<CellPlan, "states" | "counts">): Record<string, readonly number[]> {
  const named = states.map((shape, i) => [at(["a", "b", "c", "d", "e", "f"], i), shape] as const);
  return Object.fromEntries([...named, ...(counts ? [["count", [1]] as const] : [])]);
}

function get<T>(record: Readonly<Record<string, T>>, name: string): T {
  const item = record[name];
  if (item === undefined) throw new Error(`${name} is missing`);
  return item;
}

export function writeModel(writer: SourceWriter, plan: CellPlan, batch: Dim, args: Arguments): CellOutputs {
  const { x, mask, tokens } = args;
  const shapes = statesOf(plan);
  const names = Object.keys(shapes);
  const line = (text: string) => writer.line(text);
  writer.uses("cell", "scan");
  line(`// x: f32[${x?.shape.join(", ")}], batch ${plan.batch}, ${plan.time} steps, x in ±${plan.scale}`);
  line(`const random = cell("random", { state: () => (${JSON.stringify(shapes)}) }, ({ x, ${names.join(", ")} }) => {`);
  const definition = cell("random", { state: () => shapes }, (step) =>
    writer.indented(() => writeStep(writer, plan, batch, { ...args, ...(step as unknown as Arguments) })),
  );
  const initial = Object.fromEntries(names.map((name) => [name, get(args, name) as Float]));
  const sequence = tokens === undefined ? get(args, "x") : withTokens(get(args, "x") as Float, tokens as Tensor<"i32">);
  const options = { initial, reverse: plan.reverse, ...(mask && { mask: mask as Tensor<"bool"> }) };
  const { outputs, state } = scan(definition(1), sequence as Float, options);
  line("});");
  if (tokens !== undefined) {
    writer.uses("concat", "embedding");
    line(`const sequence = concat([x, embedding("tokens", tokens, ${vocabulary}, 2)]);`);
  }
  const given = [
    `initial: { ${names.join(", ")} }`,
    ...(plan.reverse ? ["reverse: true"] : []),
    ...(mask ? ["mask"] : []),
  ];
  line(`const { outputs, state } = scan(random(1), ${tokens ? "sequence" : "x"}, { ${given.join(", ")} });`);
  return { outputs, states: names.map((name) => get(state, name)) };
}

function withTokens(x: Float, tokens: Tensor<"i32">): Float {
  return concat([x, embedding("tokens", tokens, vocabulary, 2)]);
}

function writeStep(writer: SourceWriter, plan: CellPlan, batch: Dim, tensors: Arguments): CellResult<string> {
  const shapes = statesOf(plan);
  const value = (name: string, bound: number) => new Value(name, get(tensors, name), bound);
  const counter = plan.counts ? value("count", 9) : undefined;
  const named = Object.keys(shapes).filter((name) => name !== "count");
  const bound = plan.affine ? affineBound(stateBound, plan.time) : stateBound;
  const states = named.map((name) => value(name, bound));
  const known = { key: value("key", 0), counter, widest: plan.widest };
  const step = new StepInProgress(writer, batch, [value("x", plan.scale), ...(plan.affine ? [] : states)], known);
  const affine = plan.affine && affineStates(step, plan.affine, states);
  runInstructions(step, plan.instructions);
  const output = step.pick(step.pool.length - 1 - (plan.output % Math.min(step.pool.length, 3)));
  const state: Record<string, Value> = {};
  for (const [i, name] of named.entries()) state[name] = affine?.[i] ?? nextState(step, plan, i, at(states, i));
  if (counter !== undefined) state.count = writer.call("add", [counter, 1], 9);
  const entries = Object.entries(state);
  writer.line(
    `return { state: { ${entries.map(([name, { text }]) => `${name}: ${text}`).join(", ")} }, output: ${output.text} };`,
  );
  return {
    state: Object.fromEntries(entries.map(([name, { tensor }]) => [name, tensor as Float])),
    output: output.tensor as Float,
  };
}

function runInstructions(step: StepInProgress, instructions: readonly Instruction[]): void {
  for (const instruction of instructions) at(rules, instruction.kind % rules.length)(step, recent(step, instruction));
}

/** Next states of the groups of an affine plan; then the pool has all states, before and after the step. */
function affineStates(step: StepInProgress, { groups, flaw }: AffinePlan, states: readonly Value[]): Value[] {
  const all: Value[] = [];
  for (const group of groups) {
    runInstructions(step, group.gates);
    const mine = states.slice(all.length, all.length + group.states);
    const next = nextOfGroup(step, group, mine, flaw);
    all.push(...next);
    step.push(...mine, ...next);
  }
  return all;
}

function nextState(step: StepInProgress, plan: CellPlan, i: number, before: Value): Value {
  const chosen = step.pick(step.pool.length - 1 - (at(plan.next, i) % step.pool.length));
  const fitted = step.fit(chosen, before.tensor.shape.slice(1));
  return squashed(step, plan.leaky ? leaked(step, fitted, before) : fitted);
}

/** Operand indices count from the newest value, mostly among the last three, so that instructions build on each other. */
function recent(step: StepInProgress, { kind, a, b, c, n }: Instruction): Instruction {
  const { length } = step.pool;
  const back = (distance: number) => length - 1 - (distance % length);
  return { kind, a: back(a % 4 === 3 ? a : a % 3), b: back(b), c: back(c), n };
}

/** Bound of a state's magnitude, enforced by 4 tanh(v / 4). */
const stateBound = 4;

function leaked({ writer }: StepInProgress, value: Value, before: Value): Value {
  const kept = writer.call("mul", [before, 0.5], before.bound / 2);
  return writer.call("add", [value, kept], value.bound + before.bound / 2);
}

function squashed(step: StepInProgress, value: Value): Value {
  if (value.bound <= stateBound) return value;
  const { writer } = step;
  const scaled = writer.call("mul", [value, 1 / stateBound], value.bound / stateBound);
  return writer.call("mul", [writer.call("tanh", [scaled], 1), stateBound], stateBound);
}
