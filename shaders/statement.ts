/** @file Statements of the kernel IR, and functions made of them, as lines of WGSL. */
import type { Expr, For, KernelFunction, Statement } from "../compiler/kernel/ir.ts";
import { elementText, expressionText, type Names, typeText } from "./expression.ts";

export function statementLines(body: readonly Statement[], names: Names): string[] {
  return body.flatMap((statement) => linesOf(statement, names));
}

function linesOf(statement: Statement, names: Names): string[] {
  const text = (expr: Expr) => expressionText(expr, names);
  switch (statement.kind) {
    case "let":
    case "var": {
      const { kind, variable, value } = statement;
      return [`${kind} ${variable.name}: ${typeText[variable.type]} = ${text(value)};`];
    }
    case "assign":
      return [`${statement.variable.name} = ${text(statement.value)};`];
    case "registers": {
      const { name, element, length } = statement.array;
      return [`var ${name} = array<${typeText[element]}, ${length}>(${statement.values.map(text).join(", ")});`];
    }
    case "store": {
      const { array, index, slot, value, how } = statement;
      const element = names.element(array, text(index), slot && text(slot));
      return [`${element} ${how === "add" ? "+=" : "="} ${text(value)};`];
    }
    case "for": {
      const { name } = statement.variable;
      const [first, end, step] = [text(statement.first), text(statement.end), text(statement.step)];
      if (statement.most !== undefined) return boundedLoop(statement, statement.most, names);
      const next = step === "1u" ? `${name}++` : `${name} += ${step}`;
      return block(`for (var ${name}: u32 = ${first}; ${name} < ${end}; ${next}) `, statement.body, names);
    }
    case "if":
      return block(`if (${text(statement.condition)}) `, statement.body, names);
    case "stage":
      return block("", statement.body, names);
    case "leave":
      return [`if (${text(statement.condition)}) {`, "  return;", "}"];
    case "barrier":
      return [...names.barriers];
  }
}

/**
 * A loop whose end is not known is bounded by a constant: the compiler of WGSL adds a counter of its own to loops that it
 * cannot prove finite.
 */
function boundedLoop({ variable: { name }, first, end, step, body }: For, most: number, names: Names): string[] {
  const text = (expr: Expr) => expressionText(expr, names);
  const turn = `${name}Turn`;
  const [start, by] = [text(first), text(step)];
  const walked = by === "1u" ? turn : `${turn} * ${by}`;
  return [
    `for (var ${turn}: u32 = 0u; ${turn} < ${most}u; ${turn}++) {`,
    ...indented([
      `let ${name}: u32 = ${start} + ${walked};`,
      `if (${name} >= ${text(end)}) {`,
      "  break;",
      "}",
      ...statementLines(body, names),
    ]),
    "}",
  ];
}

function block(head: string, body: readonly Statement[], names: Names): string[] {
  return [`${head}{`, ...indented(statementLines(body, names)), "}"];
}

export function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** A function as WGSL. It refers to nothing of a kernel. */
export function functionText(
  { name, parameters, type, body, result }: KernelFunction,
  { opaque }: Pick<Names, "opaque">,
): string {
  const none: Names = {
    element: ({ name }, index, slot) => elementText(name, index, slot),
    barriers: [],
    uniform: () => "",
    opaque,
    builtin: () => undefined,
  };
  const given = parameters.map((parameter) => `${parameter.name}: ${typeText[parameter.type]}`).join(", ");
  const lines = [...statementLines(body, none), `return ${expressionText(result, none)};`];
  return [`fn ${name}(${given}) -> ${typeText[type]} {`, ...indented(lines), "}"].join("\n");
}
