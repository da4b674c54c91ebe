/**
 * @file Pieces of LaTeX with how tightly they hold together, so that parentheses stand where they are needed and nowhere
 * else; and lines of them, cut where a reader would cut them.
 */

/** How tightly an expression holds together: an atom needs no parentheses anywhere, a comparison nearly everywhere. */
export const level = { comparison: 0, sum: 1, product: 2, prefix: 3, atom: 4 } as const;
export type Level = (typeof level)[keyof typeof level];

export interface Expression {
  readonly tex: string;
  readonly level: Level;
  /** Made of a fraction, a root or cases: parentheses around it must grow, and no line may end in it. */
  readonly tall: boolean;
}

/** Where a line may end: a character that no formula contains. */
const breakHere = "\u0001";

export function expression(tex: string, at: Level, ...parts: readonly Expression[]): Expression {
  return { tex, level: at, tall: parts.some(({ tall }) => tall) };
}

export function atom(tex: string): Expression {
  return expression(tex, level.atom);
}

/** The same, taller than a line: lines do not end within it. */
export function tall(tex: string, at: Level = level.atom): Expression {
  return { tex: unbroken(tex), level: at, tall: true };
}

/** In parentheses. */
export function inParentheses({ tex, tall }: Expression): string {
  return tall ? `\\left( ${unbroken(tex)} \\right)` : `(${tex})`;
}

/** As it is where it holds together at least as tightly as `least`, and in parentheses otherwise. */
export function within(part: Expression, least: Level): string {
  return part.level >= least ? part.tex : inParentheses(part);
}

/** Such as `\tanh(x)`. */
export function applied(name: string, ...operands: readonly Expression[]): Expression {
  const list = operands.map(({ tex }) => tex).join(", ");
  return expression(`${name}${inParentheses(expression(list, level.sum, ...operands))}`, level.prefix, ...operands);
}

export function sumOf(first: Expression, ...others: readonly Expression[]): Expression {
  const rest = others.map(({ tex, level: at }) => {
    // What begins with a minus is subtracted; the rest of a sum stands as it is.
    if (at >= level.sum && tex.startsWith("-")) return `${breakHere} - ${tex.slice(1).trimStart()}`;
    return `${breakHere} + ${at >= level.sum ? tex : `(${tex})`}`;
  });
  return expression(`${within(first, level.sum)}${rest.join("")}`, level.sum, first, ...others);
}

export function differenceOf(a: Expression, b: Expression): Expression {
  return expression(`${within(a, level.sum)}${breakHere} - ${factor(b)}`, level.sum, a, b);
}

/** Element by element, or by a number: `sign` stands between the factors. */
export function productOf(sign: string, a: Expression, b: Expression): Expression {
  const space = sign === "" ? "\\," : ` ${sign} `;
  const end = sign === "" ? "" : breakHere;
  return expression(`${factor(a)}${end}${space}${factor(b)}`, level.product, a, b);
}

/** As a factor: what begins with a minus stands in parentheses. */
export function factor(part: Expression): string {
  return part.level < level.product || part.tex.startsWith("-") ? inParentheses(part) : part.tex;
}

/** With the marks taken out. */
export function unbroken(tex: string): string {
  return tex.replaceAll(breakHere, "");
}

/** In lines of about `width` characters as they are read, ended where an operator begins. */
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

/** About how many characters wide it is on paper: a command is one, or as many as it spells out; braces are none. */
export function widthOf(tex: string): number {
  const spelled = tex
    .replace(/\\(?:left|right|begin|end|mathrm|mathbf|text|operatorname)\b/g, "")
    .replace(/\\(?:tanh|exp|sin|cos|max|min|ln)\b/g, "tanh")
    .replace(/\\[a-zA-Z]+/g, "x")
    .replace(/\\./g, "x")
    .replace(/[{}\s]/g, "");
  // What is below or above is smaller.
  return spelled.replace(/[_^]/g, "").length;
}
