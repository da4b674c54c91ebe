/** @file Why a run stopped, in words. */
import type { StoppedEvent } from "../../shared/protocol.ts";
import { inPageWords } from "../words.ts";

/** Undefined for a run whose steps are done. The message does not name the run again: `cell` says which it is. */
export function stopInWords({ run, step, reason, fault }: StoppedEvent): { cell: string; message: string } | undefined {
  if (reason === "done") return undefined;
  const { message = "its numbers are no longer finite; lower the learning rate and press “Train anew”" } = fault ?? {};
  const words = message.startsWith(`${run}: `) ? message.slice(run.length + 2) : message;
  return { cell: run, message: `stopped at step ${step}: ${inPageWords(words)}` };
}
