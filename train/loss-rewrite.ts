/** @file Loads what rewrites a loss before it is differentiated; the root entry does without it until a trainer is made. */
import type { ChunkChoice } from "../compiler/recurrence/chunkwise.ts";
import type { LossRewrite } from "./training-step.ts";

/** Matrix memories in chunks. Throws a UserError for what is no choice. */
export async function lossRewrite(where: string, chunks: ChunkChoice): Promise<LossRewrite> {
  const { checkChunks, chunkwise } = await import("../compiler/recurrence/chunkwise.ts");
  checkChunks(where, chunks);
  return (graph) => chunkwise(graph, chunks);
}
