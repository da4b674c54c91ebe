/** @file Statements of the kernel IR as JavaScript functions of the active lanes, which run in lock step. */
import { at, InternalError } from "../../graph/errors.ts";
import type { Assign, Expr, For, Let, Registers, Statement, Store } from "../ir.ts";
import { operandsOf, readsOtherLanes } from "../walk.ts";
import { operationOf } from "./arithmetic.ts";
import { ExpressionValues } from "./expressions.ts";
import { type Action, componentsOf, type Frame, type Place, type Value } from "./values.ts";

/** Runs the statements of a part, one after another. */
export function partAction(frame: Frame, body: readonly Statement[]): Action {
  return new Statements(frame).sequence(body);
}

class Statements {
  readonly #frame: Frame;
  readonly #values: ExpressionValues;

  constructor(frame: Frame) {
    this.#frame = frame;
    this.#values = new ExpressionValues(frame);
  }

  sequence(body: readonly Statement[]): Action {
    const actions = body.map((statement) => this.#action(statement));
    return (lanes) => {
      let left = lanes;
      for (const action of actions) {
        if (left.length === 0) return left;
        left = action(left);
      }
      return left;
    };
  }

  #action(statement: Statement): Action {
    switch (statement.kind) {
      case "let":
      case "var":
      case "assign":
        return this.#bind(statement);
      case "registers":
        return this.#registers(statement);
      case "store":
        return this.#store(statement);
      case "for":
        return this.#for(statement);
      case "if": {
        const inside = this.#inside(statement.body);
        const { kind, value } = { value: 0, ...statement.condition };
        if (kind === "literal" && value !== 0) return inside;
        const condition = this.#condition(statement.condition);
        return (lanes) => {
          const taken = lanes.filter(condition);
          if (taken.length > 0) inside(taken);
          return lanes;
        };
      }
      case "stage":
        return this.#inside(statement.body);
      case "leave": {
        const condition = this.#condition(statement.condition);
        return (lanes) => lanes.filter((lane) => !condition(lane));
      }
      case "barrier":
        return this.#barrier();
    }
  }

  /** The statements of a block, which no lane may leave. */
  #inside(body: readonly Statement[]): Action {
    const all = this.sequence(body);
    return (lanes) => {
      if (all(lanes).length !== lanes.length)
        throw new InternalError(`kernel ${this.#frame.clock.kernel}: lanes leave inside a block`);
      return lanes;
    };
  }

  #condition(expr: Expr): (lane: number) => boolean {
    const value = this.#used(expr);
    return (lane) => value(lane) !== 0;
  }

  /** A number that control flow depends on, so it must be valid. */
  #used(expr: Expr): Value {
    return this.#certain(this.#values.scalar(expr));
  }

  #certain(value: Value): Value {
    const { clock } = this.#frame;
    return (lane) => {
      clock.fault = undefined;
      const number = value(lane);
      clock.expectNoFault();
      return number;
    };
  }

  /** Binds a value. If lanes read each other, it is computed for all lanes before it is stored in any. */
  #bind({ kind, variable, value }: Let | Assign): Action {
    const values = this.#values.components(value);
    const place = kind === "assign" ? this.#frame.placeOf(variable) : this.#frame.declare(variable);
    if (readsLanes(value)) return this.#bindReadingLanes(values, place);
    const { numbers, faults } = place;
    const { clock } = this.#frame;
    const [only = zero] = values;
    const target = at(numbers, 0);
    if (componentsOf(variable.type) === 1)
      return (lanes) => {
        for (const lane of lanes) {
          clock.fault = undefined;
          target[lane] = only(lane);
          if (clock.fault !== undefined || faults.length > 0) faults[lane] = clock.fault;
        }
        return lanes;
      };
    const all = Array.from(numbers, (_, i) => at(values, values.length === 1 ? 0 : i));
    return (lanes) => {
      for (const lane of lanes) {
        clock.fault = undefined;
        const given = all.map((component) => component(lane));
        for (const [i, component] of numbers.entries()) component[lane] = given[i] as number;
        if (clock.fault !== undefined || faults.length > 0) faults[lane] = clock.fault;
      }
      return lanes;
    };
  }

  #bindReadingLanes(values: readonly Value[], { numbers, faults }: Place): Action {
    const { isActive, clock } = this.#frame;
    return (lanes) => {
      isActive.fill(0);
      for (const lane of lanes) isActive[lane] = 1;
      const computed = lanes.map((lane) => {
        clock.fault = undefined;
        const own = values.map((value) => value(lane));
        return { own, fault: clock.fault };
      });
      for (const [k, lane] of lanes.entries()) {
        const { own, fault } = at(computed, k);
        for (const [i, component] of numbers.entries()) component[lane] = own[i] as number;
        if (fault !== undefined || faults.length > 0) faults[lane] = fault;
      }
      return lanes;
    };
  }

  #registers({ array, values }: Registers): Action {
    const each = values.map((value) => this.#values.components(value));
    const memory = this.#frame.declareRegisters(array);
    const { clock } = this.#frame;
    return (lanes) => {
      for (const lane of lanes) {
        clock.fault = undefined;
        for (const [index, components] of each.entries())
          for (const [i, component] of components.entries()) memory.write(index, component(lane), lane, i);
        clock.expectNoFault();
      }
      return lanes;
    };
  }

  #store({ array, index, slot, value, how }: Store): Action {
    const place = this.#certain(this.#values.place(array, index, slot));
    const memory = this.#frame.memoryOf(array);
    const components = this.#values.components(value);
    const type = value.type === "f32x4" ? "f32" : value.type;
    const add = how === "add" ? operationOf("add", type, type) : undefined;
    const { clock } = this.#frame;
    return (lanes) => {
      for (const lane of lanes) {
        const where = place(lane);
        for (const [i, component] of components.entries()) {
          const given = component(lane);
          const before = add === undefined ? 0 : memory.read(where, lane, i);
          clock.expectNoFault();
          memory.write(where, add === undefined ? given : add(before, given, 0), lane, i);
        }
      }
      return lanes;
    };
  }

  #for({ variable, first, end, step, most = Number.POSITIVE_INFINITY, body }: For): Action {
    const [start, limit, by] = [first, end, step].map((expr) => this.#used(expr)) as [Value, Value, Value];
    const place = at(this.#frame.declare(variable).numbers, 0);
    const inside = this.#inside(body);
    const continues = (lane: number) => (place[lane] as number) < limit(lane);
    return (lanes) => {
      for (const lane of lanes) place[lane] = start(lane);
      let iterations = 0;
      for (let left = lanes.filter(continues); left.length > 0; left = left.filter(continues)) {
        iterations += 1;
        if (iterations > most)
          throw new InternalError(`kernel ${this.#frame.clock.kernel}: ${variable.name} runs more than ${most} times`);
        inside(left);
        for (const lane of left) place[lane] = this.#next(place[lane] as number, by(lane), variable.name);
      }
      return lanes;
    };
  }

  #next(value: number, step: number, name: string): number {
    const next = value + step;
    if (next > value && next < 2 ** 32) return next;
    throw new InternalError(`kernel ${this.#frame.clock.kernel}: ${name} goes from ${value} by ${step} and never ends`);
  }

  #barrier(): Action {
    const { clock, lanes: all } = this.#frame;
    return (lanes) => {
      if (lanes.length !== all)
        throw new InternalError(
          `kernel ${clock.kernel}: ${lanes.length} of ${all} lanes of a workgroup reach a barrier`,
        );
      clock.epoch += 1;
      return lanes;
    };
  }
}

const zero: Value = () => 0;

function readsLanes(expr: Expr): boolean {
  return readsOtherLanes(expr) || operandsOf(expr).some(readsLanes);
}
