/**
 * @file The page's side of the sandbox: a frame with an origin of its own and no network, in which a worker runs what a
 * visitor wrote. Code that has not ended after a second is ended. What comes back is not trusted: it is decoded here,
 * with every field checked.
 */
import type { StackSize, TracedCell } from "../../compiler/dsl/traced-cell.ts";
import { decodeCell } from "../../train/files/traced-cell-json.ts";
import type { Answer, Job, SourceFault } from "../sandbox/messages.ts";
import { h } from "./dom.ts";
import { isEquations, tracedEquations } from "./equations-cell.ts";
import { Signal } from "./session/signal.ts";

/** How long a visitor's code may run, in milliseconds. */
const patience = 1000;
/** A check traces a cell at a dozen sizes. */
const patienceForSizes = 5000;

const notAgreed = "this cell came by a link and has not run; read it, then press “Run it” above";

export type Outcome =
  | { readonly kind: "traced"; readonly traced: TracedCell; readonly encoded: string }
  | { readonly kind: "fault"; readonly fault: SourceFault }
  /** Another source was sent before this one had its turn. */
  | { readonly kind: "superseded" };

interface Waiting {
  readonly job: Job;
  readonly settle: (outcome: Outcome) => void;
}

export interface Sandbox {
  /** While it is set nothing runs: the cells came by a link, and the visitor has not agreed yet. */
  readonly held: Signal<boolean>;
  /** Names that a cell can import from "cellgrad". */
  readonly names: Promise<readonly string[]>;
  /** Runs a source and traces the cell it exports. Jobs of one `lane` that have not begun give way to a newer one. */
  readonly trace: (source: string, sizes: readonly StackSize[], options?: TraceOptions) => Promise<Outcome>;
}

export interface TraceOptions {
  readonly anySize?: boolean;
  readonly lane?: string;
}

export function openSandbox(): Sandbox {
  const queue: (Waiting & { readonly lane: string | undefined })[] = [];
  let running: Waiting | undefined;
  let timer: number | undefined;
  let ready = false;
  let jobs = 0;
  let giveNames: (names: readonly string[]) => void = () => {};
  const names = new Promise<readonly string[]>((resolve) => {
    giveNames = resolve;
  });
  const { port1: port, port2: far } = new MessageChannel();

  const next = () => {
    if (!ready || running !== undefined) return;
    running = queue.shift();
    if (running === undefined) return;
    const limit = running.job.anySize ? patienceForSizes : patience;
    timer = window.setTimeout(() => {
      port.postMessage("restart");
      ready = false;
      settle({ kind: "fault", fault: { message: `stopped after ${limit / 1000} s: the code does not end` } });
    }, limit);
    port.postMessage(running.job);
  };
  const settle = (outcome: Outcome) => {
    window.clearTimeout(timer);
    running?.settle(outcome);
    running = undefined;
    next();
  };
  port.onmessage = ({ data }: MessageEvent<Answer>) => {
    if (data.kind === "ready") {
      ready = true;
      giveNames(data.names);
      next();
    } else if (running !== undefined && data.id === running.job.id) settle(outcomeOf(data));
  };
  void openFrame(far);

  const held = new Signal(false);
  return {
    held,
    names,
    trace: (source, sizes, { anySize = false, lane } = {}) =>
      new Promise((settle) => {
        // Nothing of equations runs, so they need no agreement and no sandbox.
        if (isEquations(source)) return settle(tracedEquations(source, sizes, anySize));
        if (held.value) return settle({ kind: "fault", fault: { message: notAgreed } });
        const waiting = lane === undefined ? -1 : queue.findIndex((other) => other.lane === lane);
        if (waiting >= 0) queue.splice(waiting, 1)[0]?.settle({ kind: "superseded" });
        queue.push({ job: { id: ++jobs, source, sizes, anySize }, settle, lane });
        next();
      }),
  };
}

async function openFrame(port: MessagePort): Promise<void> {
  const { default: script } = await import("virtual:sandbox-script");
  const frame = h("iframe", {
    src: new URL("sandbox.html", document.baseURI).href,
    sandbox: "allow-scripts",
    title: "Sandbox for the cell's code",
    hidden: true,
  });
  frame.addEventListener("load", () => frame.contentWindow?.postMessage({ script }, "*", [port]), { once: true });
  document.body.append(frame);
}

function outcomeOf(answer: Exclude<Answer, { kind: "ready" }>): Outcome {
  if (answer.kind === "fault") {
    const { message, line, column } = answer.fault;
    return { kind: "fault", fault: { message: String(message), ...lineOf(line, column) } };
  }
  try {
    return { kind: "traced", traced: decodeCell(answer.cell), encoded: answer.cell };
  } catch (error) {
    return { kind: "fault", fault: { message: error instanceof Error ? error.message : String(error) } };
  }
}

function lineOf(line: unknown, column: unknown): { line?: number; column?: number } {
  if (!Number.isInteger(line)) return {};
  return { line: Number(line), ...(Number.isInteger(column) && { column: Number(column) }) };
}
