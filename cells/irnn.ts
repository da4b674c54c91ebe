/**
 * @file The IRNN of Le, Jaitly & Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units",
 * arXiv:1504.00941, section 3: rectified units whose recurrent weights start as the identity, with a bias of 0, so that a
 * new network copies its state from step to step. Input weights start with a standard deviation of 0.001 (section 4).
 *
 *   h' = relu(U x + W h + b)                W = I, b = 0 at the start
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { identity, normal } from "../compiler/dsl/initializers.ts";
import { relu } from "../compiler/ops/composed.ts";

/** Rectified units that start as the identity; state h: [units], output h. */
export const irnn = cell("irnn", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = relu(dense("hidden", [x, h], units, { kernel: [normal(0.001), identity()] }));
  return { state: { h: next }, output: next };
});
