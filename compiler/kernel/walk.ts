/** @file Walks over kernels: statements, their expressions, and the buffers, sizes and functions that these use. */
import { type Dim, dimFactors } from "../graph/dim.ts";
import type { Expr, GlobalArray, KernelCode, KernelFunction, Part, Primitive, Statement } from "./ir.ts";
import { arrayAt, sumAt } from "./places.ts";

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

/** What a body uses. */
interface BodyNeeds {
  readonly buffers: readonly { readonly array: GlobalArray; readonly isWritten: boolean }[];
  /** Symbols of dimensions, and sums of dimensions, each once. */
  readonly sums: readonly (readonly Dim[])[];
}

const needs = new WeakMap<readonly Statement[], BodyNeeds>();

function needsOfBody(body: readonly Statement[]): BodyNeeds {
  const known = needs.get(body);
  if (known !== undefined) return known;
  const buffers = new Map<number, BodyNeeds["buffers"][number]>();
  const sums = new Map<string, readonly Dim[]>();
  const note = (sum: readonly Dim[]) => sums.set(sum.join(" + "), sum);
  for (const expr of expressionsIn(body)) {
    if (expr.kind === "load" && expr.array.space === "global" && !buffers.has(expr.array.buffer))
      buffers.set(expr.array.buffer, { array: expr.array, isWritten: false });
    if (expr.kind === "size") for (const symbol of dimFactors(expr.dim)) note([symbol]);
    if (expr.kind === "uniform") note(expr.sum);
  }
  for (const statement of statementsIn(body))
    if (statement.kind === "store" && statement.array.space === "global")
      buffers.set(statement.array.buffer, { array: statement.array, isWritten: true });
  const found = { buffers: [...buffers.values()], sums: [...sums.values()] };
  needs.set(body, found);
  return found;
}

/** The buffers and uniforms that parts need. */
export function needsOf(parts: readonly Part[]): Pick<KernelCode, "buffers" | "uniforms"> {
  return { buffers: accessesOf(parts), uniforms: uniformsOf(parts) };
}

/** The buffers that parts use, in order. In a dispatch a buffer is either only read, or read and written. */
function accessesOf(parts: readonly Part[]): KernelCode["buffers"] {
  const found = new Map<number, { array: GlobalArray; access: "read" | "read_write" }>();
  for (const { body, places } of parts)
    for (const { array: own, isWritten } of needsOfBody(body).buffers) {
      const array = arrayAt(own, places);
      if (isWritten) found.set(array.buffer, { array, access: "read_write" });
      else if (!found.has(array.buffer)) found.set(array.buffer, { array, access: "read" });
    }
  return [...found.values()].sort((a, b) => a.array.buffer - b.array.buffer);
}

/** The uniforms that parts need, each once: symbols of dimensions, and sums of dimensions. */
function uniformsOf(parts: readonly Part[]): (readonly Dim[])[] {
  const found = new Map<string, readonly Dim[]>();
  const note = (sum: readonly Dim[]) => found.set(sum.join(" + "), sum);
  for (const { grid, body, places } of parts) {
    for (const sum of needsOfBody(body).sums) note(sumAt(sum, places));
    // With several parts, the kernel must compute how many workgroups each of them has.
    if (parts.length > 1)
      for (const dim of [...grid.rows, ...grid.columns]) for (const symbol of dimFactors(dim)) note([symbol]);
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
