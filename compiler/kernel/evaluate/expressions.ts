/** @file Expressions of the kernel IR as JavaScript functions of a lane. */
import { at, InternalError } from "../../graph/errors.ts";
import type { Apply, Call, Expr, KernelArray, KernelFunction, Load, Scalar } from "../ir.ts";
import { operationOf } from "./arithmetic.ts";
import { type LaneFunction, laneFunction } from "./functions.ts";
import { componentsOf, type Frame, type Value } from "./values.ts";

/** Compiles expressions to functions, each of them once. */
export class ExpressionValues {
  readonly #frame: Frame;
  readonly #known = new Map<Expr, readonly Value[]>();
  readonly #functions = new Map<KernelFunction, LaneFunction>();

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  scalar(expr: Expr): Value {
    return at(this.components(expr), 0);
  }

  /** Four components for f32x4, one for every other type. */
  components(expr: Expr): readonly Value[] {
    const known = this.#known.get(expr);
    if (known !== undefined) return known;
    const made = this.#components(expr);
    this.#known.set(expr, made);
    return made;
  }

  #components(expr: Expr): readonly Value[] {
    switch (expr.kind) {
      case "literal": {
        const { value } = expr;
        return [() => value];
      }
      case "size":
      case "uniform": {
        const dims = expr.kind === "size" ? [expr.dim] : expr.sum;
        return [this.#frame.sum(dims)];
      }
      case "variable":
        return Array.from({ length: componentsOf(expr.type) }, (_, i) => this.#frame.valueOf(expr, i));
      case "load":
        return this.#load(expr);
      case "call":
        return [this.#call(expr)];
      case "apply":
        return this.#apply(expr);
    }
  }

  /** The offset of an element across all slots; a fault for an index beyond its slot. */
  place(array: KernelArray, index: Expr, slot: Expr | undefined): Value {
    const inSlot = this.scalar(index);
    if (slot === undefined || array.space === "global") return inSlot;
    const number = this.scalar(slot);
    const { length, slots } = array;
    const { clock } = this.#frame;
    return (lane) => {
      const [own, which] = [inSlot(lane), number(lane)];
      if (own >= length) return clock.invalidRead(array.name, own, `out of bounds: a slot has ${length} elements`);
      if (which >= slots) return clock.invalidRead(array.name, own, `out of bounds: slot ${which} of ${slots}`);
      return which * length + own;
    };
  }

  #load({ array, type, operands }: Load): readonly Value[] {
    const index = this.place(array, operands[0], operands[1]);
    const memory = this.#frame.memoryOf(array);
    const { clock } = this.#frame;
    return Array.from(
      { length: componentsOf(type) },
      (_, i): Value =>
        (lane) => {
          const place = index(lane);
          return clock.fault === undefined ? memory.read(place, lane, i) : 0;
        },
    );
  }

  #call({ function: callee, operands }: Call): Value {
    const called = this.#functions.get(callee) ?? laneFunction(callee, this.#frame, (expr) => this.scalar(expr));
    this.#functions.set(callee, called);
    const { parameters, result } = called;
    const values = operands.map((operand) => this.scalar(operand));
    const given = values.map(() => 0);
    return (lane) => {
      // An argument may call the same function, so all arguments are evaluated before any is stored.
      for (const [i, value] of values.entries()) given[i] = value(lane);
      for (const [i, place] of parameters.entries()) place[lane] = given[i] as number;
      return result(lane);
    };
  }

  #apply(expr: Apply): readonly Value[] {
    const { op, type, operands } = expr;
    const parts = operands.map((operand) => this.components(operand));
    if (op === "component") return [at(at(parts, 0), literalOf(operands[1]))];
    if (op === "vector") {
      const scalars = parts.map((part) => at(part, 0));
      return Array.from({ length: 4 }, (_, i) => at(scalars, scalars.length === 1 ? 0 : i));
    }
    if (op === "fromLane" || op === "fromQuad" || op === "fromLaneXor") {
      const number = literalOf(operands[1]);
      const sources = {
        fromLane: () => number,
        fromQuad: (own: number) => own - (own % 4) + number,
        fromLaneXor: (own: number) => own ^ number,
      };
      const sourceOf = sources[op];
      return at(parts, 0).map((value) => this.#fromLane(value, sourceOf));
    }
    const operation = op === "select" ? undefined : operationOf(op, scalarOf(at(operands, 0)), scalarOf(expr));
    return Array.from({ length: componentsOf(type) }, (_, i): Value => {
      const [a = zero, b = zero, c = zero] = parts.map((part) => at(part, part.length === 1 ? 0 : i));
      if (operation === undefined) return this.#choice(a, b, c);
      if (parts.length === 1) return (lane) => operation(a(lane), 0, 0);
      if (parts.length === 2) return (lane) => operation(a(lane), b(lane), 0);
      return (lane) => operation(a(lane), b(lane), c(lane));
    });
  }

  /** Evaluates both; a fault of the value that is not selected is ignored. */
  #choice(condition: Value, whenTrue: Value, whenFalse: Value): Value {
    const { clock } = this.#frame;
    return (lane) => {
      const isTrue = condition(lane) !== 0;
      const before = clock.fault;
      const first = whenTrue(lane);
      const fault = clock.fault;
      clock.fault = before;
      const second = whenFalse(lane);
      if (isTrue) clock.fault = fault;
      return isTrue ? first : second;
    };
  }

  /** `sourceOf` returns a lane's source, both counted within the subgroup. */
  #fromLane(value: Value, sourceOf: (own: number) => number): Value {
    const { subgroupSize, isActive, clock } = this.#frame;
    return (lane) => {
      const own = lane % subgroupSize;
      const number = sourceOf(own);
      const source = lane - own + number;
      if (number >= subgroupSize || isActive[source] !== 1)
        throw new InternalError(`kernel ${clock.kernel}: lane ${lane} reads lane ${source}, which does not take part`);
      return value(source);
    };
  }
}

const zero: Value = () => 0;

function scalarOf({ type }: Expr): Scalar {
  return type === "f32x4" ? "f32" : type;
}

function literalOf(expr: Expr | undefined): number {
  if (expr?.kind !== "literal") throw new InternalError("the number of a component or lane must be a literal");
  return expr.value;
}
