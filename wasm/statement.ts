/**
 * @file Statements of the kernel IR as instructions. Four lanes run them in lock step: if they disagree on a condition,
 * a mask says which of them assign and store. So barriers need no code.
 */
import { InternalError } from "../compiler/graph/errors.ts";
import type { Expr, For, Statement, Variable } from "../compiler/kernel/ir.ts";
import { operandsOf, statementsIn } from "../compiler/kernel/walk.ts";
import * as code from "./code.ts";
import { ExpressionWriter, type Surroundings } from "./expression.ts";
import type { Instruction } from "./instruction.ts";
import type { Mask } from "./memory.ts";
import { atomSum, numberOf, sumAlignment } from "./sum.ts";
import { isUniform, lanes, scalarOf, scalarType, type Value, vectorOf } from "./values.ts";
import type { FunctionWriter } from "./writer.ts";

export class StatementWriter {
  readonly expressions: ExpressionWriter;
  readonly #w: FunctionWriter;
  /** Whether lanes can differ: not in a function that is called with scalars. */
  readonly #isVector: boolean;
  /** The label that lanes without further work jump to. */
  readonly #end: string;
  #mask: Mask;

  constructor(w: FunctionWriter, surroundings: Surroundings, options: { isVector: boolean; end: string }) {
    this.#w = w;
    this.expressions = new ExpressionWriter(w, surroundings, options.isVector);
    this.#isVector = options.isVector;
    this.#end = options.end;
  }

  statements(body: readonly Statement[]): void {
    for (const statement of body) this.#statement(statement);
  }

  /**
   * Writes the body of the loop over workgroups. Values that are the same for all workgroups are computed once, before
   * the loop, unless a store precedes them, which may change what they read. Stores of other workgroups do not change
   * it.
   */
  overWorkgroups(body: readonly Statement[], own: readonly Variable[]): void {
    const changing = new Set<Expr>(own);
    const changes = (expr: Expr): boolean =>
      changing.has(expr) || (expr.kind === "load" && expr.array.space !== "global") || operandsOf(expr).some(changes);
    let isStored = false;
    for (const statement of body) {
      const isHoisted = statement.kind === "let" && !isStored && !changes(statement.value);
      if (isHoisted) this.#w.outermost(() => this.#statement(statement));
      else this.#statement(statement);
      if ((statement.kind === "let" && !isHoisted) || statement.kind === "var") changing.add(statement.variable);
      isStored ||= statementsIn([statement]).some(({ kind }) => kind === "store");
    }
  }

  #statement(statement: Statement): void {
    const { expressions } = this;
    const w = this.#w;
    switch (statement.kind) {
      case "let": {
        const { variable, value } = statement;
        expressions.define(variable, expressions.kept(expressions.value(value), variable.name, value));
        return;
      }
      case "var": {
        const { variable, value } = statement;
        const type = this.#isVector ? "v128" : scalarType(variable.type);
        const local = w.keep(type, variable.name, this.#registerValue(value));
        expressions.defineRegister(variable, { local, isVector: this.#isVector });
        return;
      }
      case "assign": {
        const { local, isVector } = expressions.registerOf(statement.variable);
        const value = isVector
          ? expressions.vectorFor(statement.variable, statement.value)
          : this.#registerValue(statement.value);
        const chosen =
          this.#mask === undefined || !isVector
            ? value
            : code.op("v128.bitselect", value, code.get(local), code.get(this.#mask));
        w.write(code.set(local, chosen));
        return;
      }
      case "registers": {
        const { array, values } = statement;
        const all = values.map((value) => expressions.value(value));
        if (values.every(({ kind }) => kind === "literal")) expressions.defineTable(array, all);
        else
          for (const [i, value] of all.entries())
            expressions.memory.storeRegister(array, i, vectorOf(w, value, array.element));
        return;
      }
      case "store": {
        const { array, index, slot, value, how } = statement;
        const place = expressions.inSlot(array, index, slot);
        expressions.memory.store(array, place, expressions.value(value), how, this.#mask);
        return;
      }
      case "for":
        this.#for(statement);
        return;
      case "if":
        this.#if(statement.condition, () => this.statements(statement.body));
        return;
      case "stage":
        this.statements(statement.body);
        return;
      case "leave":
        this.#leave(statement.condition);
        return;
      case "barrier":
        return;
    }
  }

  #registerValue(expr: Expr): Instruction {
    return this.#isVector ? this.expressions.vector(expr) : scalarOf(this.#w, this.expressions.value(expr));
  }

  /** Writes code that affects only the lanes of a mask. */
  #masked(mask: string, write: () => void): void {
    const outside = this.#mask;
    this.#mask = mask;
    write();
    this.#mask = outside;
  }

  #maskOf(condition: Instruction): string {
    const all = this.#mask === undefined ? condition : code.op("v128.and", condition, code.get(this.#mask));
    return this.#w.keep("v128", "mask", all);
  }

  #if(condition: Expr, write: () => void): void {
    const w = this.#w;
    const value = this.expressions.value(condition);
    if (isUniform(value)) {
      w.write({ kind: "if", condition: scalarOf(w, value), whenTrue: w.nested(write), whenFalse: [] });
      return;
    }
    const mask = this.#maskOf(vectorOf(w, value, "bool"));
    const whenTrue = w.nested(() => this.#masked(mask, write));
    w.write({ kind: "if", condition: code.op("v128.any_true", code.get(mask)), whenTrue, whenFalse: [] });
  }

  #leave(condition: Expr): void {
    const w = this.#w;
    const value = this.expressions.value(condition);
    if (isUniform(value)) {
      w.write(code.jumpIf(this.#end, scalarOf(w, value)));
      return;
    }
    this.#mask = this.#maskOf(code.op("v128.not", vectorOf(w, value, "bool")));
    w.write(code.jumpIf(this.#end, code.op("i32.eqz", code.op("v128.any_true", code.get(this.#mask)))));
  }

  #for(loop: For): void {
    const { expressions } = this;
    const first = expressions.value(loop.first);
    const end = expressions.value(loop.end);
    const step = expressions.value(loop.step);
    if (step.kind !== "index" || step.stride !== 0) throw new InternalError("the step of a loop differs between lanes");
    if (first.kind !== "index") throw new InternalError("the start of a loop is not an index");
    this.#loop(loop, first, end, step);
  }

  /** A loop whose variable differs by a constant stride between lanes. */
  #loop(
    { variable, body }: For,
    first: Extract<Value, { kind: "index" }>,
    end: Value,
    step: Extract<Value, { kind: "index" }>,
  ): void {
    const w = this.#w;
    const local = w.keep("i32", variable.name, w.value(first.sum));
    const alignment = Math.min(sumAlignment(first.sum), sumAlignment(step.sum));
    const by = w.value(step.sum);
    const counter = { name: local, depth: w.depth + 2, alignment };
    const value: Value = { kind: "index", sum: atomSum(counter), stride: first.stride };
    const [exit, again] = [w.fresh("exit"), w.fresh("again")];
    const advance = code.set(local, code.op("i32.add", code.get(local), by));
    const isUniformEnd = end.kind === "index" && end.stride === 0;
    if (isUniformEnd) {
      const limit = w.value(end.sum);
      const ends = numberOf(first.sum);
      const last = numberOf(end.sum);
      const isEntered = ends !== undefined && last !== undefined && ends < last;
      const isUnmasked =
        first.stride === 0 || (first.stride === 1 && alignment >= lanes && sumAlignment(end.sum) >= lanes);
      const inside = w.nested(() => {
        const looped = w.nested(() => {
          this.expressions.define(variable, value);
          const write = () => this.statements(body);
          if (isUnmasked) write();
          else {
            const index = code.op("i32x4.lt_u", vectorOf(w, value, "u32"), code.op("i32x4.splat", limit));
            this.#masked(this.#maskOf(index), write);
          }
          w.write(advance, code.jumpIf(again, code.op("i32.lt_u", code.get(local), limit)));
        });
        if (!isEntered) w.write(code.jumpIf(exit, code.op("i32.ge_u", code.get(local), limit)));
        w.write({ kind: "loop", label: again, body: looped });
      });
      w.write({ kind: "block", label: exit, body: inside });
      return;
    }
    const limit = code.get(w.keep("v128", "limit", vectorOf(w, end, "u32")));
    const inside = w.nested(() => {
      const looped = w.nested(() => {
        this.expressions.define(variable, value);
        const mask = this.#maskOf(code.op("i32x4.lt_u", vectorOf(w, value, "u32"), limit));
        w.write(code.jumpIf(exit, code.op("i32.eqz", code.op("v128.any_true", code.get(mask)))));
        this.#masked(mask, () => this.statements(body));
        w.write(advance, code.jump(again));
      });
      w.write({ kind: "loop", label: again, body: looped });
    });
    w.write({ kind: "block", label: exit, body: inside });
  }
}
