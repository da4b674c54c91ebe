/** @file Ctrl-C during a run: the first asks the run to stop and save, the second ends the process at once. */
import { ExitCode } from "./errors.ts";

export interface Interrupt {
  readonly requested: boolean;
  /** The same, as a signal for code that waits. */
  readonly signal: AbortSignal;
  readonly dispose: () => void;
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

export function watchInterrupt(): Interrupt {
  const asked = new AbortController();
  const onSignal = () => {
    if (asked.signal.aborted) {
      // A progress bar has hidden the cursor.
      if (process.stderr.isTTY) process.stderr.write("\u001b[?25h");
      process.exit(ExitCode.interrupted);
    }
    asked.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    get requested() {
      return asked.signal.aborted;
    },
    signal: asked.signal,
    dispose: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
