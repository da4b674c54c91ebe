/**
 * @file Writes a numeric series as CSV: 600 rows of two waves. The amplitude of `fast` follows `slow`, so a network that
 * predicts `fast` must remember the phase of the slow wave. The library trains on any table of this form, one row per time
 * step and one column per quantity:
 *
 *   node examples/two-waves.mjs > waves.csv
 *   cellgrad train waves.csv --units 32 --batch 8 --out waves.safetensors
 *   cellgrad forecast waves.safetensors waves.csv --horizon 50
 */
const rows = Array.from({ length: 600 }, (_, t) => {
  const slow = Math.sin((2 * Math.PI * t) / 90);
  const fast = (1 + 0.5 * slow) * Math.sin((2 * Math.PI * t) / 11);
  return `${fast.toFixed(4)},${slow.toFixed(4)}`;
});
console.log(["fast,slow", ...rows].join("\n"));
