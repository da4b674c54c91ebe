/**
 * @file Waiting without taking the processor. While a promise of Dawn is open, Node's binding asks Dawn in every turn of
 * the event loop whether it is done, without a pause; on a software adapter that costs one of the very cores that do the
 * work. Here every turn sleeps a little: on two cores a training step takes a third less time.
 */

/** Milliseconds that a turn sleeps, and so how late an answer may be noticed. */
const pause = 0.5;
const never = new Int32Array(new SharedArrayBuffer(4));

let open = 0;
let isTurning = false;

function turn(): void {
  isTurning = open > 0;
  if (!isTurning) return;
  Atomics.wait(never, 0, 0, pause);
  setImmediate(turn);
}

export async function politeWait<T>(work: Promise<T>): Promise<T> {
  open += 1;
  if (!isTurning) {
    isTurning = true;
    setImmediate(turn);
  }
  try {
    return await work;
  } finally {
    open -= 1;
  }
}
