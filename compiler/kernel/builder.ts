/**
 * @file Builds one kernel: blocks of statements, names, and where values are bound.
 *
 * Every value and index is bound once, in the outermost block in which it can be computed: a block knows its depth, and
 * an expression the depth of the innermost variable that it reads. So loop-invariant values are computed before the
 * loop, whether or not a driver's compiler would move them there.
 */
import { at } from "../graph/errors.ts";
import { withBarriers } from "./barriers.ts";
import { Expressions } from "./expressions.ts";
import { type Index, IndexBuilder } from "./index-arithmetic.ts";
import type {
  Axis,
  Expr,
  GlobalArray,
  GridPart,
  KernelArray,
  KernelCode,
  LocalArray,
  Mapping,
  Part,
  SharedPlace,
  Statement,
  Type,
  Variable,
} from "./ir.ts";
import { sharedElements, withPlace } from "./shared-place.ts";
import { needsOf } from "./walk.ts";

interface Block {
  readonly statements: Statement[];
  readonly memo: Map<string, Expr>;
}

/** The head of a loop over `first`, `first + step`, … below `end`. */
export interface LoopHead {
  readonly axis: Axis;
  /** "serial" by default. */
  readonly mapping?: Mapping;
  readonly name: string;
  readonly first: Expr;
  readonly end: Expr;
  readonly step: Expr;
  readonly most?: number;
  /** `end - first`, if it is known when the kernel is compiled. */
  readonly length?: number;
}

export class KernelBuilder extends Expressions {
  readonly index: IndexBuilder = new IndexBuilder(this);
  #blocks: Block[] = [];
  #group: Variable;
  #lane: Variable;
  readonly #parts: Part[] = [];
  readonly #shared = new Set<LocalArray>();
  /** How many arrays of each kind this part has. */
  #sharedOfPart = new Map<string, number>();
  readonly #counts: Variable[] = [];
  #end: Variable | undefined;
  #names = 0;
  #constantsLast = false;
  /**
   * Whether loops are written so that a compiler of WGSL can prove them finite and their indices in bounds: it adds a
   * counter to loops that it cannot prove finite, and a clamp to indices that it cannot bound.
   */
  readonly isProvable: boolean = false;

  constructor() {
    super();
    this.#group = this.variable("group", "u32", 0, true);
    this.#lane = this.variable("lane", "u32", 0);
  }

  /** Depth of the block being written; a part's outermost is 0. */
  get depth(): number {
    return this.#blocks.length - 1;
  }

  /** The number of the workgroup within its part. */
  get group(): Variable {
    return this.#group;
  }

  /** The number of the invocation within its workgroup. */
  get lane(): Variable {
    return this.#lane;
  }

  /** Writes a part of the kernel. Values bound in one part are not visible in another. */
  part(grid: GridPart, write: () => void): void {
    this.#blocks = [{ statements: [], memo: new Map() }];
    this.#sharedOfPart = new Map();
    write();
    const body = withBarriers(at(this.#blocks, 0).statements);
    this.#parts.push({ grid, group: this.#group, lane: this.#lane, body });
  }

  /**
   * Adds a part that another builder has written, with its arrays of workgroup memory and the steps that it counts: one that
   * counts steps is the only part of its kernel.
   */
  addPart(part: Part, { shared, steps }: Pick<KernelCode, "shared" | "steps">): void {
    this.#parts.push(part);
    for (const array of shared) this.#shared.add(array);
    this.#counts.push(...steps.counts);
    this.#end ??= steps.end;
  }

  /** Returns the kernel, after all its parts are written. */
  /** `sharedPlace` moves its workgroup memory into a buffer. */
  finish(workgroupSize: number, sharedPlace?: SharedPlace): KernelCode {
    return {
      workgroupSize,
      parts: this.#parts,
      ...withPlace(needsOf(this.#parts), sharedPlace),
      shared: [...this.#shared],
      ...(sharedPlace !== undefined && { sharedPlace }),
      steps: { counts: this.#counts, end: this.#end },
    };
  }

  /** Elements of workgroup memory that could lie in a buffer of f32. */
  get sharedFloats(): number {
    return sharedElements([...this.#shared]);
  }

  fresh(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  #write(statement: Statement): void {
    at(this.#blocks, this.depth).statements.push(statement);
  }

  #inBlock(write: () => void): readonly Statement[] {
    this.#blocks.push({ statements: [], memo: new Map() });
    write();
    return this.#blocks.pop()?.statements ?? [];
  }

  /** Writes a loop. Values bound in it that do not depend on it are written before it. */
  for(head: LoopHead, write: (variable: Variable) => void): void {
    if (this.isProvable) this.#provableLoop(head, write);
    else this.#loop(head, write);
  }

  #loop(
    { axis, mapping = "serial", name, first, end, step, most }: LoopHead,
    write: (variable: Variable) => void,
  ): void {
    const isUniform = mapping !== "lanes" && [first, end, step].every((each) => each.isUniform);
    const variable = this.variable(name, "u32", this.depth + 1, isUniform);
    const body = this.#inBlock(() => write(variable));
    const bound = most === undefined ? {} : { most };
    this.#write({ kind: "for", axis, mapping, variable, first, end, step, ...bound, body });
  }

  /**
   * A compiler of WGSL proves a loop that counts from 0 to a constant in steps of 1, and indices that are computed from
   * its variable, constants and the lane. So a loop of a known number of turns counts them; any other gets a bound that
   * it never reaches.
   */
  #provableLoop(head: LoopHead, write: (variable: Variable) => void): void {
    const { axis, mapping, name, first, end, step, most } = head;
    const by = numberIn(step);
    const last = numberIn(end);
    const isOfLanes = mapping === "lanes" && first === this.lane && last !== undefined;
    const start = isOfLanes ? 0 : numberIn(first);
    const length = head.length ?? (start === undefined || last === undefined ? undefined : Math.max(0, last - start));
    if (by === undefined || length === undefined) {
      this.#loop({ ...head, most: most ?? mostTurns }, write);
      return;
    }
    if (!isOfLanes && start === 0 && last !== undefined && by === 1) {
      this.#loop(head, write);
      return;
    }
    const turns = Math.ceil(length / by);
    const unlessBeyond = (variable: Variable) => {
      if (!isOfLanes || length % by === 0) write(variable);
      else this.if(this.less(variable, end), () => write(variable));
    };
    // The only turn of lanes needs no loop: what it reads is known outside of every loop.
    if (isOfLanes && turns === 1) {
      unlessBeyond(this.lane);
      return;
    }
    const inTurn = (turn: Expr) => unlessBeyond(this.let(name, this.add(first, this.mul(turn, step))));
    const counted = { axis, ...(mapping === undefined ? {} : { mapping }), name: `${name}Turn` } as const;
    this.#loop({ ...counted, first: this.u32(0), end: this.u32(turns), step: this.u32(1) }, inTurn);
  }

  if(condition: Expr, write: () => void): void {
    const body = this.#inBlock(write);
    this.#write({ kind: "if", condition, body });
  }

  /**
   * Writes statements in which no invocation reads what another one writes: barriers can be before and after them, not
   * inside.
   */
  stage(write: () => void): void {
    this.#write({ kind: "stage", body: this.#inBlock(write) });
  }

  /** Ends the invocations for which the condition holds. */
  leaveIf(condition: Expr): void {
    this.#write({ kind: "leave", condition });
  }

  /**
   * A place in the current block that can be written later, once, before the block ends. What is written there sees what
   * is bound until here; what it binds to a name, the rest of the block sees.
   */
  reserve(): (write: () => void) => void {
    const { depth } = this;
    const { statements, memo } = at(this.#blocks, depth);
    const place = statements.length;
    const known = new Map(memo);
    return (write) => {
      const blocks = this.#blocks;
      const own: Block = { statements: [], memo: known };
      this.#blocks = [...blocks.slice(0, depth), own];
      write();
      this.#blocks = blocks;
      statements.splice(place, 0, ...own.statements);
    };
  }

  /** Binds a value to a name, in the current block. */
  let(name: string, value: Expr): Variable {
    const variable = this.variable(name, value.type, this.depth, value.isUniform);
    this.#write({ kind: "let", variable, value });
    return variable;
  }

  /** Declares a register, which `assign` changes. */
  var(name: string, value: Expr): Variable {
    const variable = this.variable(name, value.type, this.depth);
    this.#write({ kind: "var", variable, value });
    return variable;
  }

  /**
   * Declares a register that a loop keeps from one iteration to the next, outside of the current block, in the outermost
   * block; `value` is known there.
   */
  kept(name: string, value: Expr): Variable {
    const variable = this.variable(name, value.type, this.depth);
    at(this.#blocks, 0).statements.push({ kind: "var", variable, value });
    return variable;
  }

  assign(variable: Variable, value: Expr): void {
    this.#write({ kind: "assign", variable, value });
  }

  /** An array of registers that a loop can index. */
  registers(name: string, element: Type, values: readonly Expr[]): LocalArray {
    const array: LocalArray = { space: "registers", name, element, length: values.length, slots: 1 };
    this.#write({ kind: "registers", array, values });
    return array;
  }

  /** Allocates workgroup memory; if it has several slots, each has that length. */
  sharedArray(element: Type, length: number, slots = 1): LocalArray {
    // No array may be empty; the array of a state without elements is never read.
    const kind = `${slots === 1 ? "" : `${slots}x`}${Math.max(1, length)}_${element}`;
    const number = this.#sharedOfPart.get(kind) ?? 0;
    this.#sharedOfPart.set(kind, number + 1);
    // A workgroup runs only one part, so parts can share arrays.
    const name = `shared${number}_${kind}`;
    const known = sharedArrays.get(name);
    const array: LocalArray = known ?? { space: "shared", name, element, length: Math.max(1, length), slots };
    sharedArrays.set(name, array);
    this.#shared.add(array);
    return array;
  }

  storeElement(array: KernelArray, index: Expr, value: Expr, how: "set" | "add" = "set"): void {
    this.#write({ kind: "store", array, index, slot: undefined, value, how });
  }

  storeInSlot(array: LocalArray, slot: Expr, index: Expr, value: Expr): void {
    this.#write({ kind: "store", array, index, slot, value, how: "set" });
  }

  /** Binds a value, once per key, in the outermost block in which it can be computed, or in the one at `depth`. */
  bind(key: string, value: Expr, depth: number = value.depth): Expr {
    if (value.kind === "literal") return value;
    const placed = Math.min(depth, this.depth);
    const block = at(this.#blocks, placed);
    const known = block.memo.get(key);
    if (known !== undefined) return known;
    const variable = this.variable(this.fresh(value.type === "u32" ? "n" : "v"), value.type, depth, value.isUniform);
    block.statements.push({ kind: "let", variable, value });
    block.memo.set(key, variable);
    return variable;
  }

  /** The value bound under a key in this block or an outer one. */
  known(key: string): Expr | undefined {
    for (const { memo } of this.#blocks) {
      const value = memo.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Uses a value for a key from here on, in the current block. */
  remember(key: string, value: Expr): void {
    at(this.#blocks, this.depth).memo.set(key, value);
  }

  /** The expression of an index, with each part bound in the outermost block possible. */
  bound(index: Index): Expr {
    const { form } = index;
    if (form.kind === "leaf" || form.kind === "size") return index.expr;
    if (form.kind === "add") return this.#boundSum(index);
    const value = this.index.combine(form.kind, this.bound(form.a), this.bound(form.b));
    return this.bind(`index ${index.expr.id}`, value, index.expr.depth);
  }

  /**
   * Adds constants last in the indices that `write` binds: loads of neighbours then share one address, and differ in the
   * constant offset of the instruction.
   */
  withConstantsLast<T>(write: () => T): T {
    const before = this.#constantsLast;
    this.#constantsLast = true;
    try {
      return write();
    } finally {
      this.#constantsLast = before;
    }
  }

  /** A sum, with the terms that change least added first, so that one addition remains inside a loop. */
  #boundSum(index: Index): Expr {
    const isLast = ({ expr }: Index) => this.#constantsLast && expr.kind === "literal";
    const order = (term: Index) => (isLast(term) ? Number.MAX_SAFE_INTEGER : term.expr.depth);
    const terms = this.#constantsLast ? this.#spread(index) : termsOf(index);
    const [first, ...rest] = terms.sort((a, b) => order(a) - order(b));
    if (first === undefined) return index.expr;
    let total = this.bound(first);
    for (const term of rest) {
      const value = this.add(total, this.bound(term));
      total = this.bind(`index ${value.id}`, value, Math.max(total.depth, term.expr.depth));
    }
    return total;
  }

  /** The terms of a sum, those of multiples of sums too: what of them is known outside of a loop is computed there. */
  #spread(index: Index): Index[] {
    const { form } = index;
    if (form.kind === "add") return [...this.#spread(form.a), ...this.#spread(form.b)];
    if (form.kind !== "mul" || form.a.form.kind !== "add" || form.b.form.kind !== "size") return [index];
    return this.#spread(form.a).map((term) => this.index.mul(term, form.b));
  }

  /** How many steps the loop at `nesting` (0 is the outermost) has done before the current one. */
  stepCount(nesting: number): Variable {
    for (let n = this.#counts.length; n <= nesting; n++) this.#counts.push(this.variable(`count${n}`, "u32", 0, true));
    return at(this.#counts, nesting);
  }

  /** The steps of the loop at `nesting` that the kernel runs itself: from `first` up to, but not including, `end`. */
  chunk(nesting: number): { readonly first: Variable; readonly end: Variable } {
    this.#end ??= this.variable("end", "u32", 0, true);
    return { first: this.stepCount(nesting), end: this.#end };
  }
}

/** Arrays of workgroup memory by name: equal ones are one object, in whatever kernel. */
const sharedArrays = new Map<string, LocalArray>();

/** A buffer of the program, as a kernel sees it. */
export function globalArray(buffer: number, { name, element }: Omit<GlobalArray, "space" | "buffer">): GlobalArray {
  return { space: "global", buffer, name, element };
}

/** Turns that no loop has: a constant that bounds it. */
const mostTurns = 2 ** 31;

function numberIn(expr: Expr): number | undefined {
  return expr.kind === "literal" ? expr.value : undefined;
}

function termsOf(index: Index): Index[] {
  return index.form.kind === "add" ? [...termsOf(index.form.a), ...termsOf(index.form.b)] : [index];
}
