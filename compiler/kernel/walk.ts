/** @file Walks over kernels: statements, their expressions, and the buffers, sizes and functions that these use. */
import { type Dim, dimFactors } from "../graph/dim.ts";
import type { Expr, GlobalArray, KernelCode, KernelFunction, Part, Primitive, Statement } from "./ir.ts";

const none: readonly Expr[] = [];

export function operandsOf(expr: Expr): readonly Expr[] {
  return expr.kind === "load" || expr.kind === "apply" || expr.kind === "call" ? expr.operands : none;
}

const exchanges: ReadonlySet<Primitive> = new Set(["fromLane", "fromQuad", "fromLaneXor"]);

/** Whether an expression itself, apart from its operands, takes a value from another lane. */
export function readsOtherLanes(expr: Expr): boolean {
  return expr.kind === "apply" && exchanges.has(expr.op);
}

/** Every statement in pre-order, nested ones after the one that contains them. */
export function statementsIn(body: readonly Statement[], found: Statement[] = []): Statement[] {
  for (const statement of body) {
    found.push(statement);
    if ("body" in statement) statementsIn(statement.body, found);
  }
  return found;
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

/** The expressions of bodies that were walked before: a finished part is asked for them several times. */
const walked = new WeakMap<readonly Statement[], readonly Expr[]>();

/** Every expression that statements evaluate, each once, operands before their users. The statements are final. */
export function expressionsIn(body: readonly Statement[]): readonly Expr[] {
  const found = walked.get(body) ?? expressionsWithin(body, new Set());
  walked.set(body, found);
  return found;
}

function expressionsWithin(body: readonly Statement[], seen: Set<Expr>): Expr[] {
  const found: Expr[] = [];
  for (const statement of statementsIn(body)) for (const expr of expressionsOf(statement)) within(expr, seen, found);
  return found;
}

/** An expression and its operands, recursively, except those already seen. */
function within(expr: Expr, seen: Set<Expr>, found: Expr[] = []): Expr[] {
  if (seen.has(expr)) return found;
  seen.add(expr);
  for (const operand of operandsOf(expr)) within(operand, seen, found);
  found.push(expr);
  return found;
}

/** The buffers and uniforms that parts need. */
export function needsOf(parts: readonly Part[]): Pick<KernelCode, "buffers" | "uniforms"> {
  const expressions = parts.map(({ body }) => expressionsIn(body));
  return { buffers: accessesOf(parts, expressions), uniforms: uniformsOf(parts, expressions) };
}

/** The buffers that parts use, in order. In a dispatch a buffer is either only read, or read and written. */
function accessesOf(parts: readonly Part[], expressions: readonly (readonly Expr[])[]): KernelCode["buffers"] {
  const found = new Map<number, { array: GlobalArray; access: "read" | "read_write" }>();
  for (const [i, { body }] of parts.entries()) {
    for (const expr of expressions[i] ?? none)
      if (expr.kind === "load" && expr.array.space === "global" && !found.has(expr.array.buffer))
        found.set(expr.array.buffer, { array: expr.array, access: "read" });
    for (const statement of statementsIn(body))
      if (statement.kind === "store" && statement.array.space === "global")
        found.set(statement.array.buffer, { array: statement.array, access: "read_write" });
  }
  return [...found.values()].sort((a, b) => a.array.buffer - b.array.buffer);
}

/** The uniforms that parts need, each once: symbols of dimensions, and sums of dimensions. */
function uniformsOf(parts: readonly Part[], expressions: readonly (readonly Expr[])[]): (readonly Dim[])[] {
  const found = new Map<string, readonly Dim[]>();
  const note = (sum: readonly Dim[]) => found.set(sum.join(" + "), sum);
  const noteSymbols = (dim: Dim) => {
    for (const symbol of dimFactors(dim)) note([symbol]);
  };
  for (const [i, { grid }] of parts.entries()) {
    for (const expr of expressions[i] ?? none) {
      if (expr.kind === "size") noteSymbols(expr.dim);
      if (expr.kind === "uniform") note(expr.sum);
    }
    // With several parts, the kernel must compute how many workgroups each of them has.
    if (parts.length > 1) for (const dim of [...grid.rows, ...grid.columns]) noteSymbols(dim);
  }
  return [...found.values()];
}

/** Every expression of a function, each once, operands before their users. */
export function expressionsOfFunction({ body, result }: KernelFunction): Expr[] {
  const seen = new Set<Expr>();
  return [...expressionsWithin(body, seen), ...within(result, seen)];
}

/** The functions that parts call, directly or indirectly, callees first. */
export function functionsOf(parts: readonly Part[]): KernelFunction[] {
  const found = new Map<string, KernelFunction>();
  const visit = (callee: KernelFunction): void => {
    if (found.has(callee.name)) return;
    for (const expr of expressionsOfFunction(callee)) if (expr.kind === "call") visit(expr.function);
    found.set(callee.name, callee);
  };
  for (const { body } of parts) for (const expr of expressionsIn(body)) if (expr.kind === "call") visit(expr.function);
  return [...found.values()];
}
