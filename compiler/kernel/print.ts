/** @file The kernel IR as text, for human readers and for tests. */
import type { Expr, KernelCode, Primitive, Statement } from "./ir.ts";
import { placeBuffer, placeSymbol } from "./places.ts";

const signs: Partial<Record<Primitive, string>> = {
  ...{ add: "+", sub: "-", mul: "*", div: "/", rem: "%", less: "<", lessEqual: "<=", equal: "==", notEqual: "!=" },
  ...{ bitAnd: "&", bitOr: "|", bitXor: "^", shiftLeft: "<<", shiftRight: ">>", and: "&", or: "|" },
};

export function printExpression(expr: Expr): string {
  switch (expr.kind) {
    case "literal":
      return expr.type === "bool" ? String(expr.value !== 0) : String(expr.value);
    case "size":
      return String(expr.dim);
    case "uniform":
      return `(${expr.sum.join(" + ")})`;
    case "variable":
      return expr.name;
    case "load":
      return `${expr.array.name}${[...expr.operands]
        .reverse()
        .map((each) => `[${printExpression(each)}]`)
        .join("")}`;
    case "call":
      return `${expr.function.name}(${expr.operands.map(printExpression).join(", ")})`;
    case "apply": {
      const operands = expr.operands.map(printExpression);
      const sign = signs[expr.op];
      if (sign !== undefined) return `(${operands.join(` ${sign} `)})`;
      const name = expr.op === "convert" || expr.op === "bitcast" ? `${expr.op} ${expr.type}` : expr.op;
      return `${name}(${operands.join(", ")})`;
    }
  }
}

/** Prints a statement as lines, with nested statements indented. */
export function printStatement(statement: Statement): string[] {
  const print = printExpression;
  const inside = (body: readonly Statement[]) => body.flatMap(printStatement).map((line) => `  ${line}`);
  switch (statement.kind) {
    case "let":
    case "var":
      return [`${statement.kind} ${statement.variable.name}: ${statement.variable.type} = ${print(statement.value)}`];
    case "assign":
      return [`${statement.variable.name} = ${print(statement.value)}`];
    case "registers":
      return [`registers ${statement.array.name} = [${statement.values.map(print).join(", ")}]`];
    case "store": {
      const { array, index, slot, value, how } = statement;
      const place = `${slot === undefined ? "" : `[${print(slot)}]`}[${print(index)}]`;
      return [`${array.name}${place} ${how === "add" ? "+=" : "="} ${print(value)}`];
    }
    case "for": {
      const { variable, first, end, step, axis, mapping, body } = statement;
      const range = `${print(first)} .. ${print(end)} by ${print(step)}`;
      return [`for ${variable.name} in ${range} (${axis.role} of ${axis.extent}, ${mapping})`, ...inside(body)];
    }
    case "if":
      return [`if ${print(statement.condition)}`, ...inside(statement.body)];
    case "stage":
      return ["stage", ...inside(statement.body)];
    case "leave":
      return [`leave if ${print(statement.condition)}`];
    case "barrier":
      return ["barrier"];
  }
}

/** Prints a whole kernel. */
export function printKernel({ parts, shared, buffers, workgroupSize }: KernelCode): string {
  const arrays = [
    ...buffers.map(({ array, access }) => `${access} ${array.name}: ${array.element}`),
    ...shared.map(
      ({ name, element, length, slots }) => `shared ${name}: ${element}${slots === 1 ? "" : `[${slots}]`}[${length}]`,
    ),
  ];
  const bodies = parts.flatMap(({ grid, body, places }) => {
    const { rows, rowsPer, columns, lanes } = grid;
    const blocks = `ceil(ceil((${rows.join(" + ")}) / ${rowsPer}) * (${columns.join(" + ")}) / ${lanes})`;
    return [
      `part of ${blocks} workgroups of ${workgroupSize}`,
      ...(places?.buffers ?? []).map(({ name }, i) => `  ${placeBuffer(i)} is ${name}`),
      ...(places?.sums ?? []).map((sum, i) => `  ${placeSymbol(i)} is ${sum.join(" + ")}`),
      ...body.flatMap(printStatement).map((line) => `  ${line}`),
    ];
  });
  return [...arrays, ...bodies].join("\n");
}
