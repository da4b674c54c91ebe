/** @file Threads for the engine: workers of the host, or the caller's thread. */
import { cpuEngine } from "./engine.ts";
import { type EngineThread, engineParts, engineText } from "./engine-text.ts";
import type { EngineMessage, EngineReply } from "./protocol.ts";

/** The parts of a browser's global object that are used. */
interface BrowserWorker {
  postMessage(message: EngineMessage, transfer: ArrayBuffer[]): void;
  terminate(): void;
  onmessage: ((event: { data: EngineReply }) => void) | null;
  onmessageerror: (() => void) | null;
  onerror: ((event: { message?: string; preventDefault?: () => void }) => void) | null;
}

interface HostGlobals {
  readonly Worker?: new (url: string, options: { type: "module"; name: string }) => BrowserWorker;
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
}

const host = globalThis as HostGlobals;

const script = () =>
  `const handle = ${engineText("(reply, transfer) => postMessage(reply, transfer)")}; onmessage = ({ data }) => handle(data);`;

/** The threads of a host. */
export interface ThreadHost {
  readonly cores: number;
  /** Seconds to wait for a thread to start: Firefox sometimes never starts a nested worker. */
  readonly patience?: number;
  /** Starts a thread. If a policy forbids it, throws or, in some browsers, reports the failure through `listen`. */
  readonly start: () => EngineThread;
}

/** The threads of this host, or undefined if it has none. */
export async function threadHost(): Promise<ThreadHost | undefined> {
  if ("Deno" in globalThis || (typeof process !== "undefined" && process.versions?.node !== undefined)) {
    const { coreCount, startThread } = await import("../hosts/node-threads.ts");
    return { cores: coreCount(), start: startThread };
  }
  const { Worker } = host;
  if (Worker === undefined) return undefined;
  const cores = host.navigator?.hardwareConcurrency ?? 1;
  return { cores, start: () => startWorker(Worker), ...("WorkerGlobalScope" in globalThis ? { patience: 5 } : {}) };
}

/** Whether threads can share memory: a page must be cross-origin isolated. */
export function canShare(): boolean {
  return typeof SharedArrayBuffer === "function" && host.crossOriginIsolated !== false;
}

function startWorker(Worker: NonNullable<HostGlobals["Worker"]>): EngineThread {
  const url = URL.createObjectURL(new Blob([script()], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module", name: "cellgrad" });
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    listen: (hear, fail) => {
      worker.onmessage = ({ data }) => hear(data);
      worker.onmessageerror = () => fail("a worker got a message that it cannot read");
      worker.onerror = (event) => {
        // Not printed here: the device reports it once.
        event.preventDefault?.();
        fail(event.message ?? "a worker could not be started");
      };
    },
    hold: () => {},
    end: () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

/** The caller's thread, with the interface of a worker. */
export function ownThread(): EngineThread {
  let hear = (_: EngineReply): void => {};
  const handle = cpuEngine((reply) => hear(reply), engineParts);
  return {
    post: handle,
    listen: (listener) => {
      hear = listener;
    },
    hold: () => {},
    end: () => handle({ kind: "end" }),
  };
}
