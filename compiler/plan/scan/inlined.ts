/**
 * @file Lowers a graph in place of a scan: a function of the scan's operands with the scan's results. Its stages become
 * dispatches, and its own scans are lowered by the schedules for them.
 */
import { sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { buildKernels } from "../emit/kernel.ts";
import type { Region } from "../emit/values.ts";
import type { Lowering, ScanContext } from "../lowering.ts";
import { lastUses } from "../memory/donation.ts";
import type { Location, ScanStep } from "../program.ts";
import { formStages } from "../stages/form-stages.ts";
import { hasPositions } from "../stages/stages.ts";
import { stagesWork, type WorkScope } from "../work.ts";
import { onlyIf } from "./only-if.ts";
import { resultPlaces, scanOf } from "./scan-context.ts";

/** How the graph's own scans are lowered. */
export interface InlinedScans {
  /** Schedules that they must not use. */
  readonly except: readonly string[];
  /** Conditions of scans, scalars, without which they do not run. */
  readonly conditions: ReadonlyMap<NodeId, NodeId>;
}

export function lowerInlined(
  lowering: Lowering,
  context: ScanContext,
  graph: Graph,
  { except, conditions }: InlinedScans,
): ScanStep[] {
  const { outer, phase, order } = context;
  const { operands } = scanOf(context);
  const targets = new Map<NodeId, Location[]>();
  for (const [i, location] of resultPlaces(context)) {
    const id = at(graph.outputs, i);
    targets.set(id, [...(targets.get(id) ?? []), location]);
  }
  const needed = [...targets.keys(), ...conditions.values()];
  const { groups, stored, packs } = formStages(graph, needed, { copyResults: true });
  const lastUse = lastUses({ ...graph, outputs: needed }, groups, packs);
  /**
   * When a group runs, for the lifetime of memory: after the program's step before this one, and not after this step,
   * until whose end the operands live. Inside a loop every group runs again in every step.
   */
  const partOf = (group: number) => (context.nesting > 0 ? order : order - 1 + (group + 1) / (groups.length + 1));
  const locations = new Map<NodeId, Location>();
  const place = (id: NodeId, group: number): Location => {
    const known = targets.get(id)?.[0] ?? locations.get(id);
    if (known !== undefined) return known;
    const { dtype, shape } = nodeAt(graph, id).aval;
    const location = lowering.memory.place(dtype, sizeOf(shape), partOf(group), partOf(lastUse.get(id) ?? group));
    locations.set(id, location);
    return location;
  };

  const region: Region = {
    key: `${outer.key}${context.scan}:`,
    graph,
    read: (id, index, emitter) => {
      const { op, aval } = nodeAt(graph, id);
      if (op === "input") return emitter.value(outer, at(operands, graph.inputs.indexOf(id)), index);
      const location = targets.get(id)?.[0] ?? locations.get(id);
      return location && emitter.writer.loadValue(location, emitter.positionOf(index, aval.shape), aval.dtype);
    },
  };
  const work: WorkScope = { depth: context.work.depth + 1, graph, stored, inlined: { outer: context.work, operands } };

  return groups.flatMap((group, i): readonly ScanStep[] => {
    if (group.kind === "scan") {
      for (const id of group.results) if (lastUse.has(id)) place(id, i);
      const inner: ScanContext = {
        ...{ outer: region, scan: group.scan, results: group.results, work, phase, nesting: context.nesting },
        order: partOf(i),
        resultPlace: (id) => (lastUse.has(id) ? place(id, i) : undefined),
      };
      const condition = conditions.get(group.scan);
      const steps = lowering.lowerScan(inner, except);
      return condition === undefined ? steps : onlyIf(lowering, inner, condition, steps);
    }
    for (const stage of group.stages) for (const id of stage.roots) place(id, i);
    const stages = group.stages.filter(hasPositions);
    if (stages.length === 0) return [];
    const built = buildKernels(lowering, region, stages, {
      own: {
        store: (emitter, id, index, value, how) => {
          const position = emitter.positionOf(index, nodeAt(graph, id).aval.shape);
          const all = targets.get(id) ?? [locations.get(id)];
          for (const location of all) {
            if (location === undefined) throw new InternalError(`value %${id} has no location`);
            emitter.writer.storeValue(location, position, value, how);
          }
        },
      },
      scratch: (size, dtype) => lowering.memory.place(dtype, size, partOf(i), partOf(i)),
      work: stagesWork(work, stages, (id) => targets.get(id)?.length ?? 1),
    });
    return built.map((each) => ({ ...each, kind: "dispatch", phase }));
  });
}
