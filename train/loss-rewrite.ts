/** @file What rewrites a loss before it is differentiated. */
import { type ChunkChoice, checkChunks, chunkwise } from "../compiler/recurrence/chunkwise.ts";
import type { LossRewrite } from "./training-step.ts";

/** Matrix memories in chunks. Throws a UserError for what is no choice. */
export function lossRewrite(where: string, chunks: ChunkChoice): LossRewrite {
  checkChunks(where, chunks);
  return (graph) => chunkwise(graph, chunks);
}
