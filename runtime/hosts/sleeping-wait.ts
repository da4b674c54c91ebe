/**
 * @file Waits without busy polling. While a promise of Dawn is pending, Node's binding polls Dawn in every iteration of the
 * event loop; on a software adapter that occupies one of the cores that do the work. Here every iteration sleeps briefly:
 * on two cores, a training step takes a third less time.
 */

/** Milliseconds that an iteration sleeps; a result is noticed at most this late. */
const pause = 0.5;
const never = new Int32Array(new SharedArrayBuffer(4));

let open = 0;
let isTicking = false;

function tick(): void {
  isTicking = open > 0;
  if (!isTicking) return;
  Atomics.wait(never, 0, 0, pause);
  setImmediate(tick);
}

export async function sleepingWait<T>(work: Promise<T>): Promise<T> {
  open += 1;
  if (!isTicking) {
    isTicking = true;
    setImmediate(tick);
  }
  try {
    return await work;
  } finally {
    open -= 1;
  }
}
