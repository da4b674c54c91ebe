/** @file The error for a value that is larger than a buffer may be, and whose readers need all of it. */
import { LimitError } from "../../graph/errors.ts";
import { formatAval, type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";

export class TooLargeError extends LimitError {
  readonly bytes: number;
  readonly most: number;

  /** `what` names the value. */
  constructor(what: string | undefined, bytes: number, most: number) {
    super(
      `${what ?? "the scratch memory of a kernel"} needs ${mebibytes(bytes)}; this adapter allows ${mebibytes(most)} in one buffer, and what reads it cannot take it in parts: lower the batch, the length or the units, or set a memory budget`,
    );
    this.bytes = bytes;
    this.most = most;
  }
}

/** Places a value of a graph; an error names it. */
export function placing<T>(graph: Graph, id: NodeId, place: () => T): T {
  try {
    return place();
  } catch (error) {
    if (!(error instanceof TooLargeError)) throw error;
    const { op, aval } = nodeAt(graph, id);
    const site = graph.sites[id];
    const where = site === undefined ? ` in ${graph.name}` : ` at ${site}`;
    throw new TooLargeError(`the value ${formatAval(aval)} of ${op}${where}`, error.bytes, error.most);
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
