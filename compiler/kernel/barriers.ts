/**
 * @file Where the invocations of a workgroup must wait for each other: before what reads shared memory that others have
 * written, and before what writes shared memory that others have read or written. It follows from the statements alone, so
 * the code that writes a kernel places none.
 *
 * Statements that all invocations run alike (loops and choices that are uniform) are walked in order, loops three times,
 * since an iteration may meet what the last one left. All others, and stages, are taken as one: there is no place for a
 * barrier in them. Of an array with two slots, `count & 1` and `(count + 1) & 1` are different slots in one iteration of
 * the loop over `count`, and change places in the next.
 */
import type { Expr, For, LocalArray, Statement, Variable } from "./ir.ts";
import { expressionsOf, operandsOf, statementsIn } from "./walk.ts";

/** What a statement does to shared memory. */
interface Access {
  readonly array: LocalArray;
  readonly slot: Expr | undefined;
  readonly writes: boolean;
}

/** A slot as seen from here: of a variable's parity, or fixed. */
interface Region {
  readonly array: LocalArray;
  readonly base: Variable | undefined;
  readonly parity: number;
}

interface Pending {
  readonly region: Region;
  readonly writes: boolean;
}

/** The statements of a part with barriers between them. */
export function withBarriers(body: readonly Statement[]): readonly Statement[] {
  const placement = new Placement();
  placement.find(body);
  return placement.apply(body);
}

/** Iterations of a loop that are walked: a barrier that the second one asks for may lie behind what the third one meets. */
const iterations = 3;

class Placement {
  /** Statements that a barrier stands before. */
  readonly #before = new Set<Statement>();
  readonly #accesses = new Map<Statement, readonly Access[]>();
  /** Iterations that loops have done, for the parity of their variables. */
  readonly #done = new Map<Variable, number>();
  #pending: Pending[] = [];

  find(body: readonly Statement[]): void {
    for (let known = -1; known < this.#before.size; ) {
      known = this.#before.size;
      this.#pending = [];
      this.#walk(body);
    }
  }

  apply(body: readonly Statement[]): readonly Statement[] {
    return body.flatMap((statement): Statement[] => {
      const inner = this.#isWalked(statement) ? { ...statement, body: this.apply(statement.body) } : statement;
      return this.#before.has(statement) ? [{ kind: "barrier" }, inner] : [inner];
    });
  }

  #walk(body: readonly Statement[]): void {
    for (const statement of body) {
      if (!this.#isWalked(statement)) {
        this.#meet(statement, this.#accessesOf(statement));
        continue;
      }
      // What decides whether and how often it runs is read before it.
      this.#meet(statement, accessesOfExpressions(expressionsOf(statement)));
      const skipped = this.#pending;
      if (statement.kind === "for") this.#loop(statement);
      else this.#walk(statement.body);
      this.#pending = [...new Set([...skipped, ...this.#pending])];
    }
  }

  #loop({ variable, step, body }: For): void {
    const isCounter = step.kind === "literal" && step.value === 1;
    for (let iteration = 0; iteration < iterations; iteration++) {
      if (isCounter) this.#done.set(variable, iteration);
      this.#walk(body);
    }
    // After it the variable is gone: which slot was which is not known.
    this.#done.delete(variable);
    this.#pending = this.#pending.map((one) =>
      one.region.base === variable ? { ...one, region: { ...one.region, base: undefined, parity: Number.NaN } } : one,
    );
  }

  /** Whether all invocations run a statement's body alike, so that they may wait in it. */
  #isWalked(statement: Statement): statement is Extract<Statement, { readonly kind: "for" | "if" }> {
    // A loop that only reads waits before it at the most, since nothing changes in it.
    if (statement.kind === "for")
      return statement.variable.isUniform && this.#accessesOf(statement).some(({ writes }) => writes);
    return statement.kind === "if" && statement.condition.isUniform;
  }

  #meet(statement: Statement, accesses: readonly Access[]): void {
    if (accesses.length === 0) return;
    const now = accesses.map(({ array, slot, writes }): Pending => ({ region: this.#regionOf(array, slot), writes }));
    const waits = () => now.some((one) => this.#pending.some((earlier) => conflict(one, earlier)));
    if (this.#before.has(statement) || waits()) {
      this.#before.add(statement);
      this.#pending = [];
    }
    this.#pending.push(...now);
  }

  #regionOf(array: LocalArray, slot: Expr | undefined): Region {
    if (slot === undefined) return { array, base: undefined, parity: 0 };
    const { base, steps } = parityOf(slot);
    // Of a variable that is no counter of a loop around it, nothing is known: it may change with the loop.
    const done = base === undefined ? 0 : (this.#done.get(base) ?? Number.NaN);
    return { array, base, parity: (steps + done) % 2 };
  }

  #accessesOf(statement: Statement): readonly Access[] {
    const known = this.#accesses.get(statement);
    if (known !== undefined) return known;
    const inside = [statement, ...("body" in statement ? statementsIn(statement.body) : [])];
    const stores = inside.flatMap((each): Access[] => {
      if (each.kind !== "store" || each.array.space !== "shared") return [];
      return [{ array: each.array, slot: each.slot, writes: true }];
    });
    const found = [...accessesOfExpressions(inside.flatMap(expressionsOf)), ...stores];
    this.#accesses.set(statement, found);
    return found;
  }
}

/** The loads in expressions, and in what they are made of. */
function accessesOfExpressions(expressions: readonly Expr[]): Access[] {
  const seen = new Set<Expr>();
  const found: Access[] = [];
  const visit = (expr: Expr): void => {
    if (seen.has(expr)) return;
    seen.add(expr);
    if (expr.kind === "load" && expr.array.space === "shared")
      found.push({ array: expr.array, slot: expr.operands[1], writes: false });
    for (const operand of operandsOf(expr)) visit(operand);
  };
  for (const expr of expressions) visit(expr);
  return found;
}

function conflict(a: Pending, b: Pending): boolean {
  if (a.region.array !== b.region.array || !(a.writes || b.writes)) return false;
  const isTold = a.region.base === b.region.base && !Number.isNaN(a.region.parity + b.region.parity);
  return !isTold || a.region.parity === b.region.parity;
}

/** A slot as steps after a variable, modulo 2: `(count + 1) & 1` is one after count. */
function parityOf(slot: Expr): { readonly base: Variable | undefined; readonly steps: number } {
  if (slot.kind === "literal") return { base: undefined, steps: slot.value };
  const [of, one] = slot.kind === "apply" && slot.op === "bitAnd" ? slot.operands : [];
  if (of === undefined || one?.kind !== "literal" || one.value !== 1) return { base: undefined, steps: Number.NaN };
  if (of.kind === "variable") return { base: of, steps: 0 };
  const [base, steps] = of.kind === "apply" && of.op === "add" ? of.operands : [];
  if (base?.kind === "variable" && steps?.kind === "literal") return { base, steps: steps.value };
  return { base: undefined, steps: Number.NaN };
}
