/**
 * @file The control-flow graph of a listing and its natural loops: an edge back to a block that dominates its source
 * makes a loop of all that reach the source without passing that block (Aho, Sethi, Ullman 1986, section 10.4).
 */
import type { Block } from "./listing.ts";

export interface Flow {
  /** For each block, the blocks that can follow it: the target of its branch first, then the next one. */
  readonly successors: readonly (readonly number[])[];
  /** Outer loops before the loops inside them. */
  readonly loops: readonly NaturalLoop[];
}

export interface NaturalLoop {
  readonly header: number;
  /** All blocks, those of inner loops too. */
  readonly blocks: ReadonlySet<number>;
  /** Blocks that branch back to the header. */
  readonly latches: readonly number[];
  /** The innermost loop around it, as an index into the loops. */
  readonly parent: number | undefined;
}

export function flowOf(blocks: readonly Block[]): Flow {
  const successors = successorsOf(blocks);
  return { successors, loops: loopsOf(successors) };
}

export const isBranch = (op: string) => op === "s_branch" || op.startsWith("s_cbranch");

function successorsOf(blocks: readonly Block[]): number[][] {
  const numbers = new Map(blocks.map(({ name }, i) => [name, i]));
  return blocks.map(({ instructions }, i) => {
    const targets = instructions
      .filter(({ op }) => isBranch(op))
      .map(({ operands: [target = ""] }) => {
        const found = numbers.get(target);
        if (found === undefined) throw new Error(`the disassembly branches to ${target}, which it has not`);
        return found;
      });
    const last = instructions.at(-1)?.op;
    const endsHere = last === "s_branch" || last === "s_endpgm" || i + 1 === blocks.length;
    return [...new Set(endsHere ? targets : [...targets, i + 1])];
  });
}

function loopsOf(successors: readonly (readonly number[])[]): NaturalLoop[] {
  const dominators = dominatorsOf(successors);
  const predecessors = predecessorsOf(successors);
  const latches = new Map<number, number[]>();
  for (const [from, targets] of successors.entries())
    for (const to of targets) if (dominators[from]?.has(to)) latches.set(to, [...(latches.get(to) ?? []), from]);
  const found = [...latches].map(([header, ends]) => {
    const blocks = new Set([header]);
    const open = [...ends];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (blocks.has(next)) continue;
      blocks.add(next);
      open.push(...(predecessors[next] ?? []));
    }
    return { header, blocks, latches: ends };
  });
  found.sort((a, b) => b.blocks.size - a.blocks.size || a.header - b.header);
  return found.map((loop, i) => {
    const around = found.slice(0, i).findLastIndex(({ blocks }) => blocks.has(loop.header));
    return { ...loop, parent: around < 0 ? undefined : around };
  });
}

function predecessorsOf(successors: readonly (readonly number[])[]): number[][] {
  const predecessors: number[][] = successors.map(() => []);
  for (const [from, targets] of successors.entries()) for (const to of targets) predecessors[to]?.push(from);
  return predecessors;
}

/** For each block that can be reached, the blocks on every way to it, itself included. */
function dominatorsOf(successors: readonly (readonly number[])[]): (Set<number> | undefined)[] {
  const predecessors = predecessorsOf(successors);
  const dominators: (Set<number> | undefined)[] = successors.map((_, i) => (i === 0 ? new Set([0]) : undefined));
  for (let changed = true; changed; ) {
    changed = false;
    for (let block = 1; block < successors.length; block++) {
      const known = (predecessors[block] ?? []).flatMap((from) => dominators[from] ?? []);
      const [first, ...others] = known;
      if (first === undefined) continue;
      const common = new Set([...first].filter((one) => others.every((other) => other.has(one))));
      common.add(block);
      if (common.size !== dominators[block]?.size) {
        dominators[block] = common;
        changed = true;
      }
    }
  }
  return dominators;
}
