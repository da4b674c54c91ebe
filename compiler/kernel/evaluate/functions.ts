/**
 * @file Functions of the kernel IR as JavaScript functions of a lane. They use no memory of the kernel and no other
 * lanes, so each call runs to its end for one lane. If an argument is invalid, so is the result.
 */
import { at, InternalError } from "../../graph/errors.ts";
import type { Expr, KernelFunction, Statement } from "../ir.ts";
import type { Frame, Value } from "./values.ts";

/** A function, with the storage of its parameters by lane. */
export interface LaneFunction {
  readonly parameters: readonly Float64Array[];
  /** Its result, after its parameters are stored. */
  readonly result: Value;
}

/** Compiles a function; `read` compiles an expression. */
export function laneFunction(
  { name, parameters, body, result }: KernelFunction,
  frame: Frame,
  read: (expr: Expr) => Value,
): LaneFunction {
  const places = parameters.map((parameter) => at(frame.declare(parameter).numbers, 0));
  const perform = laneBody(name, body, frame, read);
  const evaluate = read(result);
  return {
    parameters: places,
    result: (lane) => {
      perform(lane);
      return evaluate(lane);
    },
  };
}

type LaneAction = (lane: number) => void;

function laneBody(name: string, body: readonly Statement[], frame: Frame, read: (expr: Expr) => Value): LaneAction {
  const actions = body.map((statement): LaneAction => {
    switch (statement.kind) {
      case "let":
      case "var":
      case "assign": {
        const { kind, variable } = statement;
        const value = read(statement.value);
        const place = at((kind === "assign" ? frame.placeOf(variable) : frame.declare(variable)).numbers, 0);
        return (lane) => {
          place[lane] = value(lane);
        };
      }
      case "registers": {
        const values = statement.values.map(read);
        const memory = frame.declareRegisters(statement.array);
        return (lane) => {
          for (const [i, value] of values.entries()) memory.write(i, value(lane), lane, 0);
        };
      }
      case "if": {
        const condition = read(statement.condition);
        const inside = laneBody(name, statement.body, frame, read);
        return (lane) => {
          if (condition(lane) !== 0) inside(lane);
        };
      }
      default:
        throw new InternalError(`function ${name} contains "${statement.kind}"`);
    }
  });
  return (lane) => {
    for (const action of actions) action(lane);
  };
}
