/**
 * @file Work that an AbortSignal ends. An aborted call rejects with the signal's reason, as `fetch` does; what it had begun
 * ends by itself, without a report.
 */

/** An AbortSignal; TypeScript programs without DOM types have none. */
export interface AbortSignalLike {
  /** Whether it has ended what it was given to. */
  readonly aborted: boolean;
  /** What calls reject with then. */
  readonly reason: unknown;
  /** Throws the reason if it has aborted. */
  throwIfAborted(): void;
  /** Adds a listener. */
  addEventListener(type: "abort", listener: () => void, options?: { readonly once: boolean }): void;
  /** Removes a listener. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Options of calls that an AbortSignal can end. */
export interface AbortOptions {
  /** Ends the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignalLike | undefined;
}

export const ofAbort = { signal: "signal" } as const;

/**
 * The result of `work`, or a rejection with the signal's reason as soon as it aborts. Work that has begun is not stopped by
 * this: `drop` takes what it gives too late, to free it, and its errors are ignored then.
 */
export async function abortable<T>(
  signal: AbortSignalLike | undefined,
  work: () => T | PromiseLike<T>,
  drop: (late: T) => unknown = () => {},
): Promise<T> {
  if (signal === undefined) return work();
  signal.throwIfAborted();
  const working = Promise.resolve(work());
  let listener = () => {};
  const aborted = new Promise<"aborted">((resolve) => {
    listener = () => resolve("aborted");
    signal.addEventListener("abort", listener, { once: true });
  });
  try {
    const first = await Promise.race([working.then((value) => ({ value })), aborted]);
    if (first !== "aborted") return first.value;
    working.then(drop).catch(() => {});
    throw signal.reason;
  } finally {
    signal.removeEventListener("abort", listener);
  }
}

/**
 * Lets everything that has arrived be handled first, such as what aborts a signal: some devices compute without a pause. A
 * timer would wait for milliseconds; a message does not.
 */
export function nextMacrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}
