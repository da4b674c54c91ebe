/** @file Walks over kernels: statements, the expressions in them, and what those name. */
import { type Dim, dimFactors } from "../graph/dim.ts";
import type { Expr, GlobalArray, KernelCode, KernelFunction, Part, Statement } from "./ir.ts";

const none: readonly Expr[] = [];

export function operandsOf(expr: Expr): readonly Expr[] {
  return expr.kind === "load" || expr.kind === "apply" || expr.kind === "call" ? expr.operands : none;
}

/** Every statement, those inside others after the one that they stand in. */
export function* statementsIn(body: readonly Statement[]): Generator<Statement> {
  for (const statement of body) {
    yield statement;
    if ("body" in statement) yield* statementsIn(statement.body);
  }
}

/** The expressions that a statement itself evaluates. */
export function expressionsOf(statement: Statement): readonly Expr[] {
  switch (statement.kind) {
    case "let":
    case "var":
    case "assign":
      return [statement.value];
    case "registers":
      return statement.values;
    case "store":
      return [statement.index, ...(statement.slot === undefined ? none : [statement.slot]), statement.value];
    case "for":
      return [statement.first, statement.end, statement.step];
    case "if":
    case "leave":
      return [statement.condition];
    case "stage":
    case "barrier":
      return none;
  }
}

/** Every expression that statements evaluate, each once, operands before what is made of them. */
export function* expressionsIn(body: readonly Statement[], seen: Set<Expr> = new Set()): Generator<Expr> {
  for (const statement of statementsIn(body)) for (const expr of expressionsOf(statement)) yield* within(expr, seen);
}

function* within(expr: Expr, seen: Set<Expr>): Generator<Expr> {
  if (seen.has(expr)) return;
  seen.add(expr);
  for (const operand of operandsOf(expr)) yield* within(operand, seen);
  yield expr;
}

/** The buffers that parts read or write, in order. In one dispatch a buffer is read, or read and written. */
export function accessesOf(parts: readonly Part[]): KernelCode["buffers"] {
  const found = new Map<number, { array: GlobalArray; access: "read" | "read_write" }>();
  for (const { body } of parts) {
    for (const expr of expressionsIn(body))
      if (expr.kind === "load" && expr.array.space === "global" && !found.has(expr.array.buffer))
        found.set(expr.array.buffer, { array: expr.array, access: "read" });
    for (const statement of statementsIn(body))
      if (statement.kind === "store" && statement.array.space === "global")
        found.set(statement.array.buffer, { array: statement.array, access: "read_write" });
  }
  return [...found.values()].sort((a, b) => a.array.buffer - b.array.buffer);
}

/** What parts must be given when they run, each once: the symbols of dimensions, and sums of these. */
export function uniformsOf(parts: readonly Part[]): (readonly Dim[])[] {
  const found = new Map<string, readonly Dim[]>();
  const note = (sum: readonly Dim[]) => found.set(sum.join(" + "), sum);
  const noteSymbols = (dim: Dim) => {
    for (const symbol of dimFactors(dim)) note([symbol]);
  };
  for (const { body, grid } of parts) {
    for (const expr of expressionsIn(body)) {
      if (expr.kind === "size") noteSymbols(expr.dim);
      if (expr.kind === "uniform") note(expr.sum);
    }
    // Where there are several parts, each must know how many workgroups the others take.
    if (parts.length > 1) for (const dim of [...grid.rows, ...grid.columns]) noteSymbols(dim);
  }
  return [...found.values()];
}

/** The functions that parts call, with those that these call, callees first. */
export function functionsOf(parts: readonly Part[]): KernelFunction[] {
  const found = new Map<string, KernelFunction>();
  const visit = (callee: KernelFunction): void => {
    if (found.has(callee.name)) return;
    const seen = new Set<Expr>();
    for (const expr of expressionsIn(callee.body, seen)) if (expr.kind === "call") visit(expr.function);
    for (const expr of within(callee.result, seen)) if (expr.kind === "call") visit(expr.function);
    found.set(callee.name, callee);
  };
  for (const { body } of parts) for (const expr of expressionsIn(body)) if (expr.kind === "call") visit(expr.function);
  return [...found.values()];
}
