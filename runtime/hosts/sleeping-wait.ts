/**
 * @file Waiting without taking the CPU. While a promise of Dawn is open, Node's binding asks Dawn in every iteration of
 * the event loop whether it is done, without a pause; on a software adapter that costs one of the very cores that do the
 * work. Here every iteration sleeps a little: on two cores a training step takes a third less time.
 */

/** Milliseconds that an iteration sleeps, and so how late an answer may be noticed. */
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
