/** @file The engine's source text for workers, and the host's interface to a thread that runs it. */
import { cpuEngine, type EngineParts } from "./engine.ts";
import type { EngineMessage, EngineReply } from "./protocol.ts";
import { tapeEntries } from "./tape-entries.ts";
import { threadSharing } from "./thread-sharing.ts";

export const engineParts: EngineParts = { tapeEntries, threadSharing };

export interface EngineThread {
  readonly post: (message: EngineMessage, transfer?: ArrayBuffer[]) => void;
  /** `fail` is called with the reason if the thread ends. */
  readonly listen: (hear: (reply: EngineReply) => void, fail: (reason: string) => void) => void;
  /** Whether to keep the process alive for it. */
  readonly hold: (isNeeded: boolean) => void;
  readonly end: () => void;
}

/**
 * An expression whose value handles messages like the engine; `post` is the text of the function for replies. Bundlers that
 * keep names wrap functions in a helper of unknown name, which a worker lacks: it is replaced by the identity function.
 */
export function engineText(post: string): string {
  return `((post) => {
  for (;;) {
    try {
      return (${cpuEngine})(post, { tapeEntries: ${tapeEntries}, threadSharing: ${threadSharing} });
    } catch (error) {
      const [, name] = /(?:^|: )([\\w$]+)(?: is not defined)?$/.exec(error.message) ?? [];
      if (name === undefined || name in globalThis) throw error;
      globalThis[name] = (value) => value;
    }
  }
})(${post})`;
}
