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

/**
 * An expression whose value handles a message, as the engine does; `post` is the text of what takes its replies. Bundlers that
 * keep names wrap functions in a helper of theirs under any name, which a worker lacks: there it is what gives back its
 * first argument.
 */
export function engineText(post: string): string {
  return `((post) => {
  for (;;) {
    try {
      return (${cpuEngine.toString()})(post);
    } catch (error) {
      const [, name] = /(?:^|: )([\\w$]+)(?: is not defined)?$/.exec(error.message) ?? [];
      if (name === undefined || name in globalThis) throw error;
      globalThis[name] = (value) => value;
    }
  }
})(${post})`;
}
