/**
 * @file Places barriers: before a statement that reads shared memory that others have written, and before one that
 * writes shared memory that others have read or written. This follows from the statements, so code that writes kernels
 * places no barriers.
 *
 * Uniform loops and conditions, which all invocations run alike, are walked in order, loops three times, since an
 * iteration may conflict with the previous one. All other statements, and stages, are treated as one unit: no barrier
 * can be inside them. In an array with two slots, `count & 1` and `(count + 1) & 1` are different slots in one
 * iteration of the loop over `count`, and swap in the next.
 */
import type { Expr, For, LocalArray, Statement, Variable } from "./ir.ts";
import { expressionsOf, operandsOf } from "./walk.ts";

/** An access of a statement to shared memory. */
interface Access {
  readonly array: LocalArray;
  readonly slot: Expr | undefined;
  readonly writes: boolean;
}

/** A slot, by the parity of a variable or fixed. */
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

/** Iterations of a loop that are walked: the third can conflict past a barrier that the second one requires. */
const iterations = 3;

class Placement {
  /** Statements that need a barrier before them. */
  readonly #before = new Set<Statement>();
  readonly #accesses = new Map<Statement, readonly Access[]>();
  /** Iterations done by each loop, for the parity of its variable. */
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
      // Its condition or bounds are read before its body.
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
    // After the loop the variable is out of scope, so its slots cannot be told apart.
    this.#done.delete(variable);
    this.#pending = this.#pending.map((one) =>
      one.region.base === variable ? { ...one, region: { ...one.region, base: undefined, parity: Number.NaN } } : one,
    );
  }

  /** Whether all invocations run a statement's body alike, so that it can contain barriers. */
  #isWalked(statement: Statement): statement is Extract<Statement, { readonly kind: "for" | "if" }> {
    // A loop that only reads needs at most a barrier before it, since nothing changes inside.
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
    if (base === undefined) return { array, base, parity: steps };
    // A variable that is not the counter of an enclosing loop has unknown parity: it may change with the loop.
    const done = this.#done.get(base) ?? Number.NaN;
    return { array, base, parity: (steps + done) % 2 };
  }

  #accessesOf(statement: Statement): readonly Access[] {
    const known = this.#accesses.get(statement);
    if (known !== undefined) return known;
    const own = accessesOfExpressions(expressionsOf(statement));
    const inside = "body" in statement ? statement.body.flatMap((inner) => this.#accessesOf(inner)) : [];
    const found = inside.length === 0 ? own : distinct([...own, ...inside]);
    if (statement.kind === "store" && statement.array.space === "shared")
      found.push({ array: statement.array, slot: statement.slot, writes: true });
    this.#accesses.set(statement, found);
    return found;
  }
}

/** Accesses without those that are there twice. */
function distinct(accesses: readonly Access[]): Access[] {
  return [...new Map(accesses.map((one) => [`${one.array.name} ${one.slot?.id} ${one.writes}`, one])).values()];
}

/** The slots that expressions and their operands load from, each once. */
function accessesOfExpressions(expressions: readonly Expr[]): Access[] {
  if (!expressions.some(({ readsShared }) => readsShared)) return [];
  const seen = new Set<Expr>();
  const found: Access[] = [];
  const slots = new Map<LocalArray, Set<Expr | undefined>>();
  const note = (array: LocalArray, slot: Expr | undefined): void => {
    const known = slots.get(array) ?? new Set();
    slots.set(array, known);
    if (known.has(slot)) return;
    known.add(slot);
    found.push({ array, slot, writes: false });
  };
  const visit = (expr: Expr): void => {
    if (!expr.readsShared || seen.has(expr)) return;
    seen.add(expr);
    if (expr.kind === "load" && expr.array.space === "shared") note(expr.array, expr.operands[1]);
    for (const operand of operandsOf(expr)) visit(operand);
  };
  for (const expr of expressions) visit(expr);
  return found;
}

function conflict(a: Pending, b: Pending): boolean {
  if (a.region.array !== b.region.array || !(a.writes || b.writes)) return false;
  const isKnown = a.region.base === b.region.base && !Number.isNaN(a.region.parity + b.region.parity);
  return !isKnown || a.region.parity === b.region.parity;
}

/** A slot as an offset from a variable, modulo 2: `(count + 1) & 1` is one after count. */
function parityOf(slot: Expr): { readonly base: Variable | undefined; readonly steps: number } {
  if (slot.kind === "literal") return { base: undefined, steps: slot.value };
  const [of, one] = slot.kind === "apply" && slot.op === "bitAnd" ? slot.operands : [];
  if (of === undefined || one?.kind !== "literal" || one.value !== 1) return { base: undefined, steps: Number.NaN };
  if (of.kind === "variable") return { base: of, steps: 0 };
  const [base, steps] = of.kind === "apply" && of.op === "add" ? of.operands : [];
  if (base?.kind === "variable" && steps?.kind === "literal") return { base, steps: steps.value };
  return { base: undefined, steps: Number.NaN };
}
