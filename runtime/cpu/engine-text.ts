/** @file The engine as text, for workers, and what a thread that runs it is to the host. */
import { cpuEngine } from "./engine.ts";
import type { EngineMessage, EngineReply } from "./protocol.ts";

export interface EngineThread {
  readonly post: (message: EngineMessage, transfer?: ArrayBuffer[]) => void;
  /** `fail` gets what ended the thread. */
  readonly listen: (hear: (reply: EngineReply) => void, fail: (reason: string) => void) => void;
  /** Whether the process must live on for it. */
  readonly hold: (isNeeded: boolean) => void;
  readonly end: () => void;
}

/** The engine as an expression. Bundlers that keep names wrap functions in a helper of theirs, which a worker lacks. */
export function engineText(): string {
  return `(() => { const __name = (value) => value; return (${cpuEngine.toString()}); })()`;
}
