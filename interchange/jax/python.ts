/**
 * @file Python expressions with their precedence, so that parentheses appear only where they are needed, and the layout of
 * statements. The layout is that of `ruff format`: a statement is one line, or its outermost bracket has one item per line
 * with a trailing comma, which the formatter keeps.
 */

/** Precedence in Python's grammar: an atom never needs parentheses. */
export const level = {
  choice: 0,
  not: 1,
  comparison: 2,
  or: 3,
  and: 4,
  sum: 5,
  product: 6,
  unary: 7,
  atom: 8,
} as const;
export type Level = (typeof level)[keyof typeof level];

/** The outermost bracket of an expression: its items can have a line each. */
export interface Bracket {
  readonly open: string;
  readonly items: readonly Code[];
  readonly close: string;
}

export interface Code {
  readonly text: string;
  readonly level: Level;
  /** Absent if the expression cannot be broken into lines. */
  readonly bracket?: Bracket;
}

/** The width of a line, as in ruff. */
export const lineWidth = 88;

export function code(text: string, at: Level = level.atom): Code {
  return { text, level: at };
}

/** An expression as an operand of something with precedence `least`. */
export function within(part: Code, least: Level): string {
  return part.level >= least ? part.text : `(${part.text})`;
}

function bracketed({ open, items, close }: Bracket): Code {
  const texts = items.map(({ text }) => text);
  return { text: `${open}${texts.join(", ")}${close}`, level: level.atom, bracket: { open, items, close } };
}

/** A call, such as `jnp.tanh(x)`; options are `name=value`. */
export function call(name: string, ...args: readonly (Code | string)[]): Code {
  return bracketed({
    open: `${name}(`,
    items: args.map((arg) => (typeof arg === "string" ? code(arg) : arg)),
    close: ")",
  });
}

/** A call of a method. It stays on its line: the formatter breaks chains of methods by rules of their own. */
export function method(x: Code, name: string, ...args: readonly (Code | string)[]): Code {
  return code(call(`${within(x, level.atom)}.${name}`, ...args).text);
}

export function attribute(x: Code, name: string): Code {
  return code(`${within(x, level.atom)}.${name}`);
}

export function subscript(x: Code, ...items: readonly string[]): Code {
  return code(`${within(x, level.atom)}[${items.join(", ")}]`);
}

/** A tuple in parentheses; one item alone needs a comma. */
export function tuple(items: readonly Code[]): Code {
  const [first] = items;
  if (items.length === 1 && first !== undefined) return code(`(${first.text},)`);
  return bracketed({ open: "(", items, close: ")" });
}

/** A tuple, whose parentheses are needed only on several lines; one item alone is not a tuple. */
export function several(items: readonly Code[]): Code {
  const [first] = items;
  if (items.length === 1 && first !== undefined) return first;
  return { ...tuple(items), text: items.map(({ text }) => text).join(", ") };
}

export function list(items: readonly Code[]): Code {
  return bracketed({ open: "[", items, close: "]" });
}

export function dictionary(entries: readonly (readonly [string, string])[]): Code {
  return bracketed({ open: "{", items: entries.map(([key, value]) => code(`${quoted(key)}: ${value}`)), close: "}" });
}

/** A left-associative operator. */
export function operator(a: Code, sign: string, b: Code, at: Level): Code {
  // A comparison of a comparison would be a chain.
  const left = within(a, at === level.comparison ? ((at + 1) as Level) : at);
  return code(`${left} ${sign} ${within(b, (at + 1) as Level)}`, at);
}

export function negative(x: Code): Code {
  return code(x.text.startsWith("-") ? `-(${x.text})` : `-${within(x, level.unary)}`, level.unary);
}

export function inverted(x: Code): Code {
  return code(`~${within(x, level.unary)}`, level.unary);
}

/** A string literal, in the quotes that ruff prefers. */
export function quoted(text: string): string {
  const json = JSON.stringify(text);
  if (!text.includes('"') || text.includes("'")) return json;
  return `'${json.slice(1, -1).replaceAll('\\"', '"')}'`;
}

/** A float literal; always with a point or an exponent, since 1 would be an integer. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "jnp.nan";
  if (!Number.isFinite(value)) return value < 0 ? "-jnp.inf" : "jnp.inf";
  if (Object.is(value, -0)) return "-0.0";
  const text = (Math.abs(value) < 1e-4 && value !== 0 ? value.toExponential() : String(value)).replace("e+", "e");
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Lines of the statement `before + expression + after`, indented by `indent` spaces. */
export function statement(before: string, { text, bracket }: Code, indent: number, after = ""): string[] {
  const margin = " ".repeat(indent);
  const line = `${margin}${before}${text}${after}`;
  if (line.length <= lineWidth || bracket === undefined || bracket.items.length === 0) return [line];
  return [
    `${margin}${before}${bracket.open}`,
    ...bracket.items.flatMap((item) => statement("", item, indent + 4, ",")),
    `${margin}${bracket.close}${after}`,
  ];
}

/** Text as comment or docstring lines of at most the width of a line. */
export function wrapped(text: string, indent: number, prefix = ""): string[] {
  const margin = `${" ".repeat(indent)}${prefix}`;
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && margin.length + line.length + 1 + word.length > lineWidth) {
        lines.push(line);
        line = "";
      }
      line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.map((line) => `${margin}${line}`.trimEnd());
}

/** A docstring; text is escaped. */
export function docstring(text: string, indent: number): string[] {
  const margin = " ".repeat(indent);
  const safe = text.replaceAll("\\", "\\\\").replaceAll('"""', '\\"\\"\\"');
  const closed = safe.endsWith('"') ? `${safe} ` : safe;
  const quotes = '"""';
  if (!closed.includes("\n") && margin.length + closed.length + 6 <= lineWidth)
    return [`${margin}${quotes}${closed}${quotes}`];
  // The quotes are before the first line, which is shorter by them.
  const [first = "", ...rest] = wrapped(`${quotes}${closed}`, indent);
  const lines = [first, ...rest];
  // The formatter would put the quotes behind a single line, however long.
  if (lines.length === 1) {
    const words = closed.split(" ");
    const last = words.pop() ?? "";
    return [`${margin}${quotes}${words.join(" ")}`, `${margin}${last}`, `${margin}${quotes}`];
  }
  return [...lines, `${margin}${quotes}`];
}

/** Whether statements read a name. */
export function readsName(lines: readonly string[], name: string): boolean {
  const word = new RegExp(`(?<![\\w.])${name}\\b`);
  return withoutProse(lines).some((line) => word.test(line));
}

/** Lines without comments, docstrings and the contents of strings. */
function withoutProse(lines: readonly string[]): string[] {
  return lines
    .join("\n")
    .replace(/^ *"""[\s\S]*?(?<!\\)"""$/gm, "")
    .split("\n")
    .map((line) => (/^ *#/.test(line) ? "" : line.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""')));
}
