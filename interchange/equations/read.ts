/** @file Reads the text of a .cell file into expressions. */
import type { SyntaxNode } from "@lezer/common";
import type { Expression, NameExpression, Operator, Statement } from "./expression.ts";
import { EquationError, type Place, type Source } from "./fault.ts";
import { functions } from "./functions.ts";
import { isMatrix, type Name, nameOf } from "./names.ts";
import * as terms from "./parser.terms.ts";
import { parser } from "./parser.ts";
import { initializers } from "./starts.ts";

/** Brackets within each other; more is no formula. */
const deepest = 100;
const strict = parser.configure({ strict: true });

/** The statements in their order. Throws an EquationError at the first character that does not fit the grammar. */
export function readStatements(source: Source): Statement[] {
  const tree = parsed(source);
  const reader = new Reader(source);
  const statements: Statement[] = [];
  for (let node = tree.topNode.firstChild; node !== null; node = node.nextSibling)
    if (node.type.id === terms.Equation || node.type.id === terms.Start) statements.push(reader.statement(node));
  return statements;
}

function parsed(source: Source) {
  const { text } = source;
  let depth = 0;
  for (const [i, character] of [...text].entries()) {
    depth += "([".includes(character) ? 1 : ")]".includes(character) ? -1 : 0;
    if (depth > deepest) throw new EquationError(`more than ${deepest} brackets within each other`, source, at(i));
  }
  try {
    return strict.parse(text);
  } catch (error) {
    const found = error instanceof Error ? /No parse at (\d+)/.exec(error.message) : null;
    if (found === null) throw error;
    throw new EquationError(...unexpected(source, Number(found[1])));
  }
}

const at = (from: number): Place => ({ from, to: from + 1 });

/** What is wrong at an offset that the parser cannot pass. */
function unexpected(source: Source, offset: number): [string, Source, Place] {
  const { text } = source;
  const [gap = ""] = /^[ \t\u00a0]*/.exec(text.slice(offset)) ?? [];
  const from = offset + gap.length;
  const [character = ""] = text.slice(from);
  if (character === "" || /[=~\r\n#]/.test(character)) {
    const open = openBracket(text.slice(0, from));
    if (open !== undefined) return ["this bracket is not closed", source, at(open)];
  }
  if (character === "" || /[\r\n#]/.test(character)) {
    return ["the line ends too early: a value is missing", source, at(offset)];
  }
  if (character === "=")
    return ["an equation has one name before `=`, such as z_t = …; begin each on a line of its own", source, at(from)];
  return [`unexpected ${JSON.stringify(character)}`, source, at(from)];
}

function openBracket(text: string): number | undefined {
  const open: number[] = [];
  const plain = text.replace(/#[^\r\n]*/g, (comment) => " ".repeat(comment.length));
  for (const [i, character] of [...plain.split("")].entries()) {
    if ("([".includes(character)) open.push(i);
    if (")]".includes(character)) open.pop();
  }
  return open.at(-1);
}

class Reader {
  readonly #source: Source;
  /** Whether the initial values of a weight are read, which have functions of their own. */
  #isStart = false;

  constructor(source: Source) {
    this.#source = source;
  }

  statement(node: SyntaxNode): Statement {
    const [left, , right] = childrenOf(node);
    if (left === undefined || right === undefined) throw this.#fault("unexpected text", node);
    const kind = node.type.id === terms.Equation ? "equation" : "start";
    this.#isStart = kind === "start";
    return { kind, left: this.#name(left), right: this.#expression(right) };
  }

  #fault(what: string, place: Place): EquationError {
    return new EquationError(what, this.#source, place);
  }

  #text({ from, to }: Place): string {
    return this.#source.text.slice(from, to);
  }

  #name(node: SyntaxNode): NameExpression {
    const name = nameOf(this.#text(node));
    const place = { from: node.from, to: node.to };
    if (name.time === "before" && /[0-9]/.test(this.#source.text[node.to] ?? ""))
      throw this.#fault("the time of a value is t or t−1", place);
    return { kind: "name", name, ...place };
  }

  #expression(node: SyntaxNode): Expression {
    const place = { from: node.from, to: node.to };
    const parts = childrenOf(node);
    const [first, second, third] = parts;
    switch (node.type.id) {
      case terms.Numeral: {
        const value = Number(this.#text(node));
        if (!Number.isFinite(value)) throw this.#fault("this number is too large", place);
        return { kind: "number", value, ...place };
      }
      case terms.Name:
        return this.#name(node);
      case terms.Paren: {
        const items = this.#items(node);
        if (items.length > 1) throw this.#fault("a list of values has square brackets, such as [x, h]", place);
        const [only] = items;
        if (only === undefined) throw this.#missing(node);
        return only;
      }
      case terms.List:
        return { kind: "list", items: this.#items(node), ...place };
      case terms.Call:
        return this.#call(node, place);
    }
    if (first === undefined || second === undefined) throw this.#missing(node);
    switch (node.type.id) {
      case terms.Negative:
      case terms.NegativeValue:
        return { kind: "negative", operand: this.#expression(second), ...place };
      case terms.Fit:
        return { kind: "fit", left: this.#name(first), right: this.#expression(third ?? second), ...place };
      case terms.Product:
        return this.#product(first, third ?? second, place);
      default: {
        const sign = this.#text(second);
        const op = /[−-]/.test(sign) ? "-" : /[+/^]/.test(sign) ? sign : "*";
        const [left, right] = [this.#expression(first), this.#expression(third ?? second)];
        return { kind: "two", op: op as Operator, left, right, from: second.from, to: second.to };
      }
    }
  }

  #missing(node: SyntaxNode): EquationError {
    return this.#fault("a value is missing", node);
  }

  #items(node: SyntaxNode): Expression[] {
    const marks: readonly number[] = [
      ...[terms.OpenParen, terms.CloseParen, terms.OpenBracket, terms.CloseBracket, terms.Comma, terms.Semicolon],
    ];
    return childrenOf(node).flatMap((child) => (marks.includes(child.type.id) ? [] : [this.#expression(child)]));
  }

  /** A name and parentheses: a function's value, or a matrix times what is in them. */
  #call(node: SyntaxNode, place: Place): Expression {
    const [first, paren] = childrenOf(node);
    if (first === undefined || paren === undefined) throw this.#missing(node);
    const left = this.#name(first);
    if (this.#isStart && Object.hasOwn(initializers, left.name.key))
      return { kind: "call", name: left.name.key, operands: this.#items(paren), ...place };
    const known = functionOf(left.name);
    if (known !== undefined) return this.#applied(known, this.#items(paren), place);
    if (isMatrix(left.name)) return { kind: "product", left, right: this.#expression(paren), ...place };
    const names = Object.keys(this.#isStart ? initializers : functions).join(", ");
    if (paren.from === first.to) throw this.#fault(`there is no function ${left.name.text}; there are ${names}`, left);
    return { kind: "product", left, right: this.#expression(paren), ...place };
  }

  /** `tanh W x` is the function of all that follows. */
  #product(first: SyntaxNode, second: SyntaxNode, place: Place): Expression {
    const right = this.#expression(second);
    const known = first.type.id === terms.Name ? functionOf(this.#name(first).name) : undefined;
    if (known !== undefined) return this.#applied(known, [right], place);
    return { kind: "product", left: this.#expression(first), right, ...place };
  }

  #applied(name: string, operands: readonly Expression[], place: Place): Expression {
    const count = functions[name]?.operands ?? 1;
    if (operands.length !== count)
      throw this.#fault(
        `${name} has ${count === 1 ? "one operand" : `${count} operands`}, not ${operands.length}`,
        place,
      );
    return { kind: "call", name, operands, ...place };
  }
}

/** The name of the function that a name means, if it is one's. */
export function functionOf({ key, time, isNext }: Name): string | undefined {
  return time === undefined && !isNext && Object.hasOwn(functions, key) ? key : undefined;
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling)
    if (child.type.id !== terms.Comment && child.type.id !== terms.continued) children.push(child);
  return children;
}
