/**
 * @file LaTeX expressions with their precedence, so that parentheses appear only where they are needed; and line breaks
 * between their operators.
 */

/** Precedence of expressions: an atom never needs parentheses, a comparison nearly always. */
export const level = { comparison: 0, sum: 1, product: 2, prefix: 3, atom: 4 } as const;
export type Level = (typeof level)[keyof typeof level];

export interface Expression {
  readonly tex: string;
  readonly level: Level;
  /** Contains a fraction, a root or cases: parentheses around it must grow, and lines cannot be broken in it. */
  readonly tall: boolean;
}

/** Marks a possible line break: a character that no formula contains. */
const breakHere = "\u0001";

export function expression(tex: string, at: Level, ...parts: readonly Expression[]): Expression {
  return { tex, level: at, tall: parts.some(({ tall }) => tall) };
}

export function atom(tex: string): Expression {
  return expression(tex, level.atom);
}

/** An expression taller than a line: lines are not broken within it. */
export function tall(tex: string, at: Level = level.atom): Expression {
  return { tex: unbroken(tex), level: at, tall: true };
}

/** Puts an expression in parentheses. */
export function inParentheses({ tex, tall }: Expression): string {
  return tall ? `\\left( ${unbroken(tex)} \\right)` : `(${tex})`;
}

/** Puts an expression in parentheses if its precedence is below `least`. */
export function within(part: Expression, least: Level): string {
  return part.level >= least ? part.tex : inParentheses(part);
}

/** A function call, such as `\tanh(x)`. */
export function applied(name: string, ...operands: readonly Expression[]): Expression {
  const list = operands.map(({ tex }) => tex).join(", ");
  return expression(`${name}${inParentheses(expression(list, level.sum, ...operands))}`, level.prefix, ...operands);
}

export function sumOf(first: Expression, ...others: readonly Expression[]): Expression {
  const rest = others.map(({ tex, level: at }) => {
    // A term that begins with a minus is subtracted; other terms are added as they are.
    if (at >= level.sum && tex.startsWith("-")) return `${breakHere} - ${tex.slice(1).trimStart()}`;
    return `${breakHere} + ${at >= level.sum ? tex : `(${tex})`}`;
  });
  return expression(`${within(first, level.sum)}${rest.join("")}`, level.sum, first, ...others);
}

export function differenceOf(a: Expression, b: Expression): Expression {
  return expression(`${within(a, level.sum)}${breakHere} - ${factor(b)}`, level.sum, a, b);
}

/** A product, elementwise or by a number, with `sign` between the factors. */
export function productOf(sign: string, a: Expression, b: Expression): Expression {
  const space = sign === "" ? "\\," : ` ${sign} `;
  const end = sign === "" ? "" : breakHere;
  return expression(`${factor(a)}${end}${space}${factor(b)}`, level.product, a, b);
}

/** An expression as a factor: sums and negative terms are put in parentheses. */
export function factor(part: Expression): string {
  return part.level < level.product || part.tex.startsWith("-") ? inParentheses(part) : part.tex;
}

/** Removes the marks of line breaks. */
export function unbroken(tex: string): string {
  return tex.replaceAll(breakHere, "");
}

/** Breaks an expression into lines of about `width` visible characters, before operators. */
export function linesOf({ tex }: Expression, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const piece of tex.split(breakHere)) {
    if (line !== "" && widthOf(line) + widthOf(piece) > width) {
      lines.push(line);
      line = "";
    }
    line += piece;
  }
  return [...lines, line].map((text) => text.trim());
}

/** Approximate visible width in characters: a command counts as one or as its name, braces do not count. */
export function widthOf(tex: string): number {
  const spelled = tex
    .replace(/\\(?:left|right|begin|end|mathrm|mathbf|text|operatorname)\b/g, "")
    .replace(/\\(?:tanh|exp|sin|cos|max|min|ln)\b/g, "tanh")
    .replace(/\\[a-zA-Z]+/g, "x")
    .replace(/\\./g, "x")
    .replace(/[{}\s]/g, "");
  // Subscripts and superscripts are smaller.
  return spelled.replace(/[_^]/g, "").length;
}
