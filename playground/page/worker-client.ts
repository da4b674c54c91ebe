/** @file Talks to the worker that owns the device: requests with typed replies, and events. */
import type { Command, Event, Fault, Message, Results } from "../shared/protocol.ts";

/** A request that the worker refused, with its reason in one line. */
export class RequestFailed extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

export interface WorkerClient {
  /** Rejects with a RequestFailed. Buffers in `transfer` are handed over. */
  readonly ask: <K extends Command["type"]>(
    command: Extract<Command, { type: K }>,
    transfer?: readonly Transferable[],
  ) => Promise<Results[K]>;
  readonly onEvent: (listener: (event: Event) => void) => void;
}

export function openWorker(): WorkerClient {
  const worker = new Worker(new URL("../worker/main.ts", import.meta.url), { type: "module", name: "device" });
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (reason: unknown) => void }>();
  const listeners: ((event: Event) => void)[] = [];
  let requests = 0;

  worker.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if (data.type !== "reply" && data.type !== "failure") {
      for (const listener of listeners) listener(data);
      return;
    }
    const request = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.type === "reply") request?.resolve(data.result as never);
    else request?.reject(new RequestFailed(data.fault));
  });
  worker.addEventListener("error", ({ message }) => {
    const reason = new RequestFailed({ message: `the worker that trains has ended: ${message}; reload the page` });
    for (const request of waiting.values()) request.reject(reason);
    waiting.clear();
  });
  // A page that is closed or left takes its device's memory along.
  window.addEventListener("pagehide", ({ persisted }) => {
    if (!persisted) worker.terminate();
  });

  return {
    ask: (command, transfer = []) =>
      new Promise((resolve, reject) => {
        const id = ++requests;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ ...command, id }, [...transfer]);
      }),
    onEvent: (listener) => void listeners.push(listener),
  };
}
