/** @file The error function in float64, which JavaScript lacks: Abramowitz & Stegun 1964, section 7.1. */

/** erf(x) to a few 10^-16: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export function erfOf(x: number): number {
  const a = Math.abs(x);
  // From 6 on, 1 - erf is less than half a unit in the last place of 1. NaN stays NaN.
  const magnitude = a >= 6 ? 1 : a > 3 ? 1 - byFraction(a) : bySeries(a);
  return x < 0 ? -magnitude : magnitude;
}

/** Formula 7.1.6: all terms are positive, so nothing cancels. */
function bySeries(a: number): number {
  let [sum, term] = [a, a];
  for (let n = 1; term > sum * 2 ** -54; n++) {
    term *= (2 * a * a) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

/**
 * 1 - erf by the continued fraction 7.1.14, evaluated from its 40th denominator back; above 3 that is more than enough.
 */
function byFraction(a: number): number {
  let below = a;
  for (let n = 40; n > 0; n--) below = a + n / 2 / below;
  return Math.exp(-a * a) / (Math.sqrt(Math.PI) * below);
}
