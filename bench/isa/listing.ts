/**
 * @file What the driver prints of a kernel: the disassembly as basic blocks of instructions, and its statistics. The
 * child process writes a marker line before each kernel.
 */
import type { Kernel } from "../../compiler/plan/program.ts";

export const kernelMarker = "=== kernel ";

export interface Instruction {
  /** The mnemonic, less the suffix of its encoding: `v_mul_f32_e32` is `v_mul_f32`. */
  readonly op: string;
  readonly operands: readonly string[];
  /** Words after the operands, such as `offen` and `offset:16`; for waits, all of it. */
  readonly modifiers: readonly string[];
}

export interface Block {
  /** As the disassembly labels it: `BB12`. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** The driver's own figures of a kernel, under its own names: `Latency`, `VGPRs`, … */
export type Statistics = Readonly<Record<string, number>>;

export interface Listing {
  readonly blocks: readonly Block[];
  readonly statistics: Statistics;
}

/** The output of the child process by kernel; a kernel that the driver did not print is left out. */
export function listingsOf(output: string): Map<string, Listing> {
  const found = new Map<string, Listing>();
  for (const section of output.split(`\n${kernelMarker}`).slice(1)) {
    const end = section.indexOf("\n");
    const name = section.slice(0, end).trim();
    const listing = listingOf(section.slice(end));
    if (name !== "" && listing !== undefined) found.set(name, listing);
  }
  return found;
}

/** The listings of all kernels: the driver prints those of equal text once, with the first of them. */
export function listingsOfAll(
  listings: ReadonlyMap<string, Listing>,
  kernels: readonly Pick<Kernel, "name" | "wgsl">[],
): Map<string, Listing> {
  const byText = new Map<string, Listing>();
  const all = new Map<string, Listing>();
  for (const { name, wgsl } of kernels) {
    const listing = listings.get(name) ?? byText.get(wgsl);
    if (listing === undefined) continue;
    all.set(name, listing);
    byText.set(wgsl, listing);
  }
  return all;
}

/** The last disassembly of a text and the statistics after it. */
export function listingOf(text: string): Listing | undefined {
  const start = text.lastIndexOf("\ndisasm:");
  if (start < 0) return undefined;
  const statisticsAt = text.indexOf("*** SHADER STATS ***", start);
  const code = text.slice(start, statisticsAt < 0 ? undefined : statisticsAt);
  return { blocks: blocksOf(code), statistics: statisticsAt < 0 ? {} : statisticsOf(text.slice(statisticsAt)) };
}

function statisticsOf(text: string): Statistics {
  const lines = [...text.matchAll(/^([A-Z][A-Za-z -]*): (\d+)$/gm)];
  return Object.fromEntries(lines.map(([, name, value]) => [name ?? "", Number(value)]));
}

function blocksOf(code: string): Block[] {
  const blocks: { name: string; instructions: Instruction[] }[] = [];
  for (const line of code.split("\n")) {
    const label = /^(BB\d+):/.exec(line);
    if (label !== null) blocks.push({ name: label[1] ?? "", instructions: [] });
    else if (line.startsWith("\t(then repeated ")) {
      // The driver prints equal instructions in a row once.
      const last = blocks.at(-1)?.instructions;
      const [again] = last?.slice(-1) ?? [];
      if (again !== undefined) last?.push(...Array.from({ length: Number.parseInt(line.slice(16), 10) }, () => again));
    } else if (line.startsWith("\t")) {
      const instruction = parseInstruction(line.split(";", 1)[0] ?? "");
      if (instruction !== undefined) blocks.at(-1)?.instructions.push(instruction);
    }
  }
  return blocks;
}

/** One line of the disassembly, without the encoding that follows as a comment. */
export function parseInstruction(line: string): Instruction | undefined {
  const [mnemonic, ...rest] = line.trim().split(/\s+/);
  if (mnemonic === undefined || mnemonic === "") return undefined;
  const op = mnemonic.replace(/_(e32|e64|dpp|dpp8|sdwa)$/, "");
  if (op.startsWith("s_waitcnt")) return { op, operands: [], modifiers: rest.filter((word) => word !== "&") };
  // Words after the operands have commas without a space, such as `quad_perm:[1,0,3,2]`.
  const parts = rest.join(" ").split(/, /);
  const [last = "", ...modifiers] = (parts.pop() ?? "").split(" ");
  const operands = [...parts, last].filter((part) => part !== "");
  return { op, operands, modifiers };
}
