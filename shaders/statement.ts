/** @file Statements of the kernel IR, and functions made of them, as lines of WGSL. */
import type { Expr, KernelFunction, Statement } from "../compiler/kernel/ir.ts";
import { elementText, expressionText, type Names, typeText } from "./expression.ts";

/** Adds statements to `lines`, each line behind `indent`. */
export function statementLines(
  body: readonly Statement[],
  names: Names,
  indent: string,
  lines: string[] = [],
): readonly string[] {
  const text = (expr: Expr) => expressionText(expr, names);
  const add = (line: string) => lines.push(indent + line);
  const block = (head: string, inner: readonly Statement[]) => {
    add(`${head}{`);
    statementLines(inner, names, `${indent}  `, lines);
    add("}");
  };
  for (const statement of body)
    switch (statement.kind) {
      case "let":
      case "var": {
        const { kind, variable, value } = statement;
        add(`${kind} ${variable.name}: ${typeText[variable.type]} = ${text(value)};`);
        break;
      }
      case "assign":
        add(`${statement.variable.name} = ${text(statement.value)};`);
        break;
      case "registers": {
        const { name, element, length } = statement.array;
        add(`var ${name} = array<${typeText[element]}, ${length}>(${statement.values.map(text).join(", ")});`);
        break;
      }
      case "store": {
        const { array, index, slot, value, how } = statement;
        const element = names.element(array, text(index), slot && text(slot));
        add(`${element} ${how === "add" ? "+=" : "="} ${text(value)};`);
        break;
      }
      case "for": {
        const { name } = statement.variable;
        const [first, end, step] = [text(statement.first), text(statement.end), text(statement.step)];
        if (statement.most === undefined) {
          const next = step === "1u" ? `${name}++` : `${name} += ${step}`;
          block(`for (var ${name}: u32 = ${first}; ${name} < ${end}; ${next}) `, statement.body);
          break;
        }
        // A loop whose end is not known is bounded by a constant: the compiler of WGSL adds a counter of its own to loops
        // that it cannot prove finite.
        const turn = `${name}Turn`;
        add(`for (var ${turn}: u32 = 0u; ${turn} < ${statement.most}u; ${turn}++) {`);
        add(`  let ${name}: u32 = ${first} + ${step === "1u" ? turn : `${turn} * ${step}`};`);
        add(`  if (${name} >= ${end}) {`);
        add("    break;");
        add("  }");
        statementLines(statement.body, names, `${indent}  `, lines);
        add("}");
        break;
      }
      case "if":
        block(`if (${text(statement.condition)}) `, statement.body);
        break;
      case "stage":
        block("", statement.body);
        break;
      case "leave":
        add(`if (${text(statement.condition)}) {`);
        add("  return;");
        add("}");
        break;
      case "barrier":
        names.barriers.forEach(add);
        break;
    }
  return lines;
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
  const lines = [...statementLines(body, none, "  "), `  return ${expressionText(result, none)};`];
  return [`fn ${name}(${given}) -> ${typeText[type]} {`, ...lines, "}"].join("\n");
}
