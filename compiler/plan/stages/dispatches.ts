/**
 * @file On a GPU, outside of loops, which stages share a dispatch: those of one level do, and some wait for a later one.
 *
 * A stage is due as soon as it has its operands. Sums over time and batch to results of fixed size, such as gradients of
 * weights and the loss, are often read by the update only. Those wait for the last of their kind, since each kernel of
 * such sums comes with a second one, which adds up what workgroups have summed. None waits if memory would grow, because
 * a value that it reads would outlive the slot that a later one takes.
 */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Staging } from "./form-stages.ts";
import { groupStages, membersOf } from "./groups.ts";
import { loopExtentsOf } from "./loops.ts";
import { readsAfterLoops } from "./reads.ts";
import type { ScanStage, Stage } from "./stages.ts";

/** Lets stages wait for later ones with which they share a dispatch. */
export function joinStages(graph: Graph, staging: Staging): Staging {
  const levels = new Levels(graph, staging);
  for (const stage of [...staging.stages].sort((a, b) => b.level - a.level)) levels.delay(stage);
  const stages = [...staging.stages]
    .map((stage) => ({ ...stage, level: levels.of(stage) }))
    .sort((a, b) => a.level - b.level)
    .map((stage, _, all) => (hasCompany(stage, all) ? inSmallGroups(stage) : stage));
  return { ...staging, stages, groups: groupStages(stages) };
}

/** A stage whose second kernel waits for that of a later group. */
export interface Wait {
  /** The number of that group, and its stages. */
  readonly order: number;
  readonly stages: readonly Stage[];
}

/**
 * The second kernels that share a dispatch with that of a later group: where the stage itself does not wait, since values
 * that it reads would have to live longer, the sums of its chunks can.
 */
export function secondsThatWait(
  graph: Graph,
  { groups, packs, stored }: Staging,
  donated: ReadonlyMap<number, NodeId>,
): ReadonlyMap<Stage, Wait> {
  const wholes = wholesOf(packs);
  const orders = new Map<NodeId, number>();
  for (const [order, group] of groups.entries())
    for (const member of membersOf(group)) {
      const own = member.kind === "stage" ? member.roots : [];
      for (const { id } of member.reads)
        if (!own.includes(id)) orders.set(id, Math.min(order, orders.get(id) ?? order));
    }
  const firstRead = (id: NodeId): number => {
    const whole = wholes.get(id);
    const ofWhole = whole === undefined ? groups.length : firstRead(whole);
    return Math.min(orders.get(id) ?? groups.length, ofWhole);
  };
  const overwrites = new Set([...donated.keys()].map((output) => at(graph.outputs, output)));
  const waits = new Map<Stage, Wait>();
  for (const [order, group] of groups.entries())
    for (const stage of group.kind === "scan" ? [] : group.stages) {
      // What it reads after its loops may be gone by then.
      if (!sumsOverSteps(graph, stage) || stage.roots.some((id) => overwrites.has(id))) continue;
      const results = stage.accumulators.map(({ result }) => result);
      const own = new Set([...results, ...stage.roots]);
      if (readsAfterLoops(graph, stage, results, stored).some(({ id }) => !own.has(id))) continue;
      const last = Math.min(...stage.roots.map(firstRead));
      const later = groups.flatMap((other, i): readonly Wait[] => {
        const isLater = i > order && i < last && other.kind === "stages";
        return isLater && other.stages.some((each) => sumsOverSteps(graph, each))
          ? [{ order: i, stages: other.stages }]
          : [];
      });
      const wait = later.at(-1);
      if (wait !== undefined) waits.set(stage, wait);
    }
  return waits;
}

/** Whether a stage adds up terms of all steps, to results of known size. */
function sumsOverSteps(graph: Graph, { size, loops, form }: Stage): boolean {
  if (typeof size !== "number" || loops.length === 0 || form === "scatter") return false;
  return loops.every((id) => loopExtentsOf({ graph }, id).some((extent) => typeof extent !== "number"));
}

/** The concatenations that contain a value, through which it is read. */
function wholesOf(packs: Staging["packs"]): ReadonlyMap<NodeId, NodeId> {
  return new Map([...packs].flatMap(([pack, { parts }]) => parts.map(({ id }) => [id, pack] as const)));
}

/** A long reduction has the lanes of a large workgroup if its dispatch does nothing else. */
function inSmallGroups(stage: Stage | ScanStage): Stage | ScanStage {
  return stage.kind === "stage" && stage.form === "tree" ? { ...stage, form: "element" } : stage;
}

function hasCompany(stage: Stage | ScanStage, all: readonly (Stage | ScanStage)[]): boolean {
  return all.filter(({ kind, level }) => kind === "stage" && level === stage.level).length > 1;
}

class Levels {
  readonly #graph: Graph;
  readonly #stages: readonly (Stage | ScanStage)[];
  readonly #level: Map<Stage | ScanStage, number>;
  readonly #readers = new Map<NodeId, (Stage | ScanStage)[]>();
  readonly #wholes: ReadonlyMap<NodeId, NodeId>;

  constructor(graph: Graph, { stages, packs }: Staging) {
    this.#graph = graph;
    this.#stages = stages;
    this.#level = new Map(stages.map((stage) => [stage, stage.level]));
    this.#wholes = wholesOf(packs);
    for (const stage of stages)
      for (const { id } of stage.reads) this.#readers.set(id, [...(this.#readers.get(id) ?? []), stage]);
  }

  of(stage: Stage | ScanStage): number {
    return this.#level.get(stage) ?? stage.level;
  }

  /** Moves a stage to the last level at which it shares a dispatch; all that read it have their levels. */
  delay(stage: Stage | ScanStage): void {
    if (stage.kind === "scan") return;
    const readers = stage.roots.flatMap((id) => this.#readersOf(id)).filter((reader) => reader !== stage);
    const last = Math.min(
      ...readers.map((reader) => this.of(reader) - 1),
      ...(readers.length === 0
        ? this.#stages
            .map((other) => this.of(other))
            .sort((a, b) => b - a)
            .slice(0, 1)
        : []),
    );
    const candidates = this.#stages.filter((other): other is Stage => {
      const level = this.of(other);
      return other.kind === "stage" && level > this.of(stage) && level <= last && this.#goTogether(stage, other);
    });
    const levels = [...new Set(candidates.map((other) => this.of(other)))].sort((a, b) => b - a);
    const level = levels.find((later) => this.#keepsMemory(stage, later));
    if (level !== undefined) this.#level.set(stage, level);
  }

  #readersOf(id: NodeId): readonly (Stage | ScanStage)[] {
    const whole = this.#wholes.get(id);
    return [...(this.#readers.get(id) ?? []), ...(whole === undefined ? [] : this.#readersOf(whole))];
  }

  /** Whether a stage gains by the company of another one: both sum over steps, or it is a number, which costs nothing. */
  #goTogether(stage: Stage, other: Stage): boolean {
    if (stage.size === 1 && stage.loops.length === 0) return true;
    return sumsOverSteps(this.#graph, stage) && sumsOverSteps(this.#graph, other);
  }

  /** Whether no value that a stage reads has to live longer where a later value would take its memory. */
  #keepsMemory(stage: Stage, level: number): boolean {
    return stage.reads.every(({ id }) => {
      const { op, aval } = nodeAt(this.#graph, id);
      const size = sizeOf(aval.shape);
      if (op === "input" || typeof size === "number") return true;
      const lives = (this.#readers.get(id) ?? []).some((other) => other !== stage && this.of(other) >= level);
      return lives || !this.#placesBetween(size, this.of(stage), level);
    });
  }

  /** Whether a value of this size is stored after one level, up to another. */
  #placesBetween(size: Dim, first: number, last: number): boolean {
    return this.#stages.some((other) => {
      const level = this.of(other);
      if (level <= first || level > last) return false;
      const ids = other.kind === "scan" ? other.results : other.roots;
      return ids.some((id) => sizeOf(at(this.#graph.nodes, id).aval.shape) === size);
    });
  }
}
