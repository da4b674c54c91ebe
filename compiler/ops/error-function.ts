/** @file The error function in float64, which JavaScript lacks: Abramowitz & Stegun 1964, section 7.1. */

/** erf(x) to a few 10^-16: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export function erfOf(x: number): number {
  const a = Math.abs(x);
  // From 6 on, what is left to 1 is below half a unit in its last place. NaN stays so.
  const magnitude = a >= 6 ? 1 : a > 3 ? 1 - byFraction(a) : bySeries(a);
  return x < 0 ? -magnitude : magnitude;
}

/** 7.1.6: all terms are positive, so that nothing cancels. */
function bySeries(a: number): number {
  let [sum, term] = [a, a];
  for (let n = 1; term > sum * 2 ** -54; n++) {
    term *= (2 * a * a) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

/** 1 - erf, by 7.1.14 from its 40th denominator back; above 3 that is more than it takes. */
function byFraction(a: number): number {
  let below = a;
  for (let n = 40; n > 0; n--) below = a + n / 2 / below;
  return Math.exp(-a * a) / (Math.sqrt(Math.PI) * below);
}
