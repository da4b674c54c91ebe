/**
 * @file A program as text that does not change while its kernels compute the same in the same way: names that the compiler
 * makes are numbered in order of declaration, a field of `sizes` is named by its value, comments are gone, and of round
 * brackets those remain that say how an expression is read. One statement stands on a line, for a diff.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { Kernel, Program, UniformField } from "../../compiler/plan/program.ts";

/** A type with parameters is one token: its `<` compares nothing. */
const tokens =
  /\b(?:array|bitcast|ptr|var|vec[234])<(?:[^<>]|<[^<>]*>)*>|@?[A-Za-z_]\w*|\d[\w.]*(?:(?<=\de)[+-]\d+)?[uifh]?|<<=|>>=|->|[<>=!&|+*/%^-]=|&&|\|\||<<|>>|\+\+|--|[^\s]/g;

/** Most ways in which a graph is compiled have most of their kernels in common. */
const known = new Map<string, string>();

/** The canonical text of a kernel. */
export function canonicalWgsl({ wgsl, uniforms }: Pick<Kernel, "wgsl" | "uniforms">): string {
  const key = `${JSON.stringify(uniforms)}\n${wgsl}`;
  const text = known.get(key) ?? canonicalOf(wgsl, uniforms);
  known.set(key, text);
  return text;
}

function canonicalOf(wgsl: string, uniforms: readonly UniformField[]): string {
  const found = [...wgsl.replace(/\/\/.*$/gm, "").matchAll(tokens)].map(([token]) => token.replace(/\s+/g, ""));
  return inLines(renamed(withoutBrackets(found), uniforms));
}

/** All that a device does with a program, and its kernels' canonical text. */
export function canonicalProgram(program: Program): string {
  const { symbols, buffers, inputs, outputs, kernels, schedules, steps } = program;
  const list = (values: readonly unknown[]) => values.map((value) => `  ${JSON.stringify(value)}\n`).join("");
  const kernelTexts = kernels.map((kernel, i) => {
    const { workgroupSize, bindings, uniforms, loops, chunked, workgroupBytes, work } = kernel;
    const bound = bindings.map(({ buffer, access }) => `${at(buffers, buffer).name} ${access}`);
    const values = uniforms.map(({ value }) => value.join(" + ")).sort();
    const record = { workgroupSize, bound, uniforms: values, loops, chunked, workgroupBytes, work };
    return `kernel ${i} ${JSON.stringify(record)}\n${canonicalWgsl(kernel)}`;
  });
  // Whatever the program's own memory is called.
  const kinds = buffers.map((buffer) => ({ ...buffer, role: buffer.role === "input" ? "input" : "arena" }));
  const schedule = schedules.map(({ scan, schedule }) => `${scan} ${schedule}`);
  return [
    `symbols ${symbols.join(" ")}\nschedules ${schedule.join(", ")}\n`,
    `buffers\n${list(kinds)}inputs\n${list(inputs)}outputs\n${list(outputs)}steps\n${list(steps)}`,
    ...kernelTexts,
  ].join("\n");
}

const precedences = ["||", "&&", "|", "^", "&", "== !=", "< > <= >=", "<< >>", "+ -", "* / %"].map((level) =>
  level.split(" "),
);
/** How strongly an operator between two operands binds; undefined for what is none. */
function precedenceOf(token: string | undefined): number | undefined {
  const level = precedences.findIndex((level) => token !== undefined && level.includes(token));
  return level < 0 ? undefined : level;
}
const unary = precedences.length;
const atom = unary + 1;
const keywords = new Set(["return", "if", "for", "while", "switch", "else"]);
const isWord = (token: string | undefined) => token !== undefined && /^[\w@]/.test(token);
/** Whether an operand ends with this token, so that a `-` or `(` after it is no beginning of one. */
const endsOperand = (token: string | undefined) =>
  token === ")" || token === "]" || (isWord(token) && !keywords.has(token as string));

/** Drops each pair of round brackets without which the expression is read as it is with them. */
function withoutBrackets(all: readonly string[]): string[] {
  const dropped = new Set<number>();
  const open: number[] = [];
  for (const [i, token] of all.entries()) {
    if (token === "(") open.push(i);
    if (token !== ")") continue;
    const start = open.pop() ?? 0;
    const before = all[start - 1];
    const isCall = isWord(before) && before !== "return";
    if (isCall) continue;
    const inner = weakest(all, start + 1, i, dropped);
    const left = beforeGroup(all, start, dropped);
    let after = i + 1;
    while (dropped.has(after)) after += 1;
    const right = all[after] === "." || all[after] === "[" ? atom : precedenceOf(all[after]);
    if ((left === undefined || inner > left) && (right === undefined || inner >= right)) dropped.add(start).add(i);
  }
  return all.filter((_, i) => !dropped.has(i));
}

/** How strongly the operator to the left of a bracket binds. */
function beforeGroup(all: readonly string[], start: number, dropped: ReadonlySet<number>): number | undefined {
  let before = start - 1;
  while (dropped.has(before)) before -= 1;
  const token = all[before];
  if (token === "!" || token === "~") return unary;
  const level = precedenceOf(token);
  return level !== undefined && !endsOperand(all[before - 1]) ? unary : level;
}

/** The weakest operator of an expression outside of the brackets that it keeps; those dropped within are not there. */
function weakest(all: readonly string[], from: number, to: number, dropped: ReadonlySet<number>): number {
  let depth = 0;
  let least = atom;
  let previous: string | undefined;
  for (let i = from; i < to; i++) {
    const token = at(all, i);
    if (dropped.has(i)) continue;
    if (depth === 0) {
      const level = token === "!" || token === "~" ? unary : precedenceOf(token);
      if (level !== undefined) least = Math.min(least, endsOperand(previous) ? level : unary);
    }
    depth += Number(token === "(" || token === "[") - Number(token === ")" || token === "]");
    previous = token;
  }
  return least;
}

/** Numbers the names that the kernel declares, each in its scope; functions and what the language has keep theirs. */
function renamed(all: readonly string[], uniforms: readonly UniformField[]): string[] {
  const values = new Map(uniforms.map(({ name, value }) => [name, `{${value.join("+")}}`]));
  const scopes: Map<string, string>[] = [new Map()];
  const counts = { g: 0, v: 0 };
  let brackets = 0;
  /** Names that the next block sees: parameters of a function, the counter of a loop. */
  let pending = new Map<string, string>();
  const declare = (name: string): string => {
    const scope = brackets > 0 ? pending : at(scopes, scopes.length - 1);
    const kind = scopes.length === 1 && brackets === 0 ? "g" : "v";
    const given = `${kind}${counts[kind]}`;
    counts[kind] += 1;
    scope.set(name, given);
    return given;
  };
  const lookUp = (name: string): string =>
    [...scopes, pending].reduceRight<string | undefined>((found, scope) => found ?? scope.get(name), undefined) ?? name;
  let structure = false;
  return all.flatMap((token, i) => {
    const before = all[i - 1];
    if (token === "(") brackets += 1;
    if (token === ")") brackets -= 1;
    if (token === "struct") structure = true;
    if (token === "fn") counts.v = 0;
    if (token === "{") {
      scopes.push(pending);
      pending = new Map();
    }
    if (token === "}") {
      scopes.pop();
      if (structure) {
        structure = false;
        return [token];
      }
    }
    if (!isWord(token) || /^\d/.test(token)) return [token];
    // Of the uniform `sizes` the record says all; its fields' order and names mean nothing.
    if (structure && all[i + 1] === ":" && values.has(token)) return ["field"];
    if (before === ".") return all[i - 2] === "sizes" ? [values.get(token) ?? token] : [token];
    if (token === "sizes" || token === "step") return [token];
    const declares = before === "let" || before === "const" || before === "var" || before?.startsWith("var<");
    if (declares && !before?.startsWith("var<storage")) return [declare(token)];
    // A parameter: the entry point's are the language's own.
    if (brackets === 1 && scopes.length === 1 && all[i + 1] === ":") return [declare(token)];
    return [lookUp(token)];
  });
}

function inLines(all: readonly string[]): string {
  let text = "";
  let indent = 0;
  let brackets = 0;
  let isStart = true;
  for (const token of all) {
    if (token === "}") indent -= 1;
    text += `${isStart ? "  ".repeat(indent) : " "}${token}`;
    brackets += Number(token === "(") - Number(token === ")");
    if (token === "{") indent += 1;
    isStart = token === "{" || token === "}" || (token === ";" && brackets === 0);
    if (isStart) text += "\n";
  }
  return text;
}
