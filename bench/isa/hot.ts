/** @file Where the work of a kernel is: its loops with their trips, and the block with the most FMA. */
import type { Code, GroupRun } from "./wave/workgroup.ts";

export interface LoopRow {
  /** The block at its head. */
  readonly block: string;
  /** Loops of the machine code around it. */
  readonly depth: number;
  /** How often a wave enters it in a step, and turns each time. */
  readonly entries: number;
  readonly turns: number;
  /** Of one turn, inner loops included. */
  readonly instructions: number;
  readonly fma: number;
  readonly memory: number;
  readonly local: number;
  readonly waits: number;
}

export interface HotBlock {
  readonly block: string;
  /** How often a wave runs it in a step. */
  readonly runs: number;
  readonly instructions: number;
  readonly fma: number;
  readonly memory: number;
  readonly local: number;
  readonly waits: number;
}

function mixOf(code: Code, block: number) {
  const classes = (code.blocks[block] ?? []).map(({ decoded }) => decoded.class);
  const count = (...wanted: string[]) => classes.filter((one) => wanted.includes(one)).length;
  return {
    instructions: classes.length,
    fma: count("fma"),
    memory: count("load", "store"),
    local: count("localRead", "localWrite"),
    waits: count("wait"),
  };
}

/** The block that does the most FMA; undefined where none does any. */
export function hotBlockOf(code: Code, { blockRuns, waves }: GroupRun): HotBlock | undefined {
  const all = code.blocks.map((_, i) => ({ ...mixOf(code, i), block: code.names[i] ?? "", runs: blockRuns[i] ?? 0 }));
  const best = all.reduce((a, b) => (b.runs * b.fma > a.runs * a.fma ? b : a));
  return best.runs * best.fma === 0 ? undefined : { ...best, runs: best.runs / waves };
}

/**
 * The loops that run, with their trips: how often the edges back to the head are taken, over how often it is entered from
 * outside. A loop that tests at its end makes one turn more than it goes back.
 */
export function loopsOf(code: Code, { blockRuns, edgeRuns, waves }: GroupRun): LoopRow[] {
  const { loops, successors } = code.flow;
  const depthOf = (i: number): number => {
    const parent = loops[i]?.parent;
    return parent === undefined ? 0 : depthOf(parent) + 1;
  };
  return loops.flatMap(({ header, blocks, latches }, i): LoopRow[] => {
    const back = latches.reduce((sum, from) => {
      const edge = successors[from]?.indexOf(header) ?? -1;
      return sum + (edgeRuns[from]?.[edge] ?? 0);
    }, 0);
    const heads = blockRuns[header] ?? 0;
    const entries = heads - back;
    // In the difference of two runs, the loop over time has no entries.
    if (heads <= 0 || entries <= 0) return [];
    const testsAtEnd = latches.some((from) => (successors[from] ?? []).some((to) => !blocks.has(to)));
    const turns = back / entries + (testsAtEnd ? 1 : 0);
    if (turns === 0) return [];
    const parts = [...blocks].map((block) => ({ mix: mixOf(code, block), runs: blockRuns[block] ?? 0 }));
    const perTurn = (of: (mix: ReturnType<typeof mixOf>) => number) =>
      parts.reduce((sum, { mix, runs }) => sum + of(mix) * runs, 0) / (turns * entries);
    return [
      {
        block: code.names[header] ?? "",
        depth: depthOf(i),
        entries: entries / waves,
        turns,
        instructions: perTurn(({ instructions }) => instructions),
        fma: perTurn(({ fma }) => fma),
        memory: perTurn(({ memory }) => memory),
        local: perTurn(({ local }) => local),
        waits: perTurn(({ waits }) => waits),
      },
    ];
  });
}
