/**
 * @file Gradient flow: how much the loss of the last time step depends on the state at each step before it. In the simple
 * network the curve falls with every step back; along the carousel of an LSTM it stays.
 */

import type { GradientFlow } from "../../shared/protocol.ts";
import { button, h } from "../dom.ts";
import { legendList } from "../plots/legend.ts";
import { createPlot, type PlottedCurve } from "../plots/plot.ts";
import { messageOf, type Training } from "../session/training.ts";
import type { WorkerClient } from "../worker-client.ts";

/** Between two measurements while training, in milliseconds. */
const pace = 3000;
/** What is too small for f32 is shown at this level, since a logarithm has no zero. */
const floor = 1e-38;

export interface FlowPanel {
  readonly element: HTMLElement;
  /** The panel came into sight. */
  readonly shown: () => void;
}

export function flowPanel(training: Training, worker: WorkerClient): FlowPanel {
  const plot = createPlot({
    label: "Norm of the gradient of the last step's loss with respect to the state, by steps before it",
    xLabel: "steps before the loss",
    yLabel: "norm of ∂loss/∂state",
    height: 240,
    logarithmic: true,
    backwards: true,
    format: powerOfTen,
  });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const legend = legendList("Curves of the plot");
  const measureNow = button("Measure", () => void measure());
  const empty = h(
    "p",
    { class: "empty" },
    "Once something has been trained, this shows how far its gradient reaches back in time.",
  );
  let busy = false;

  const measure = async () => {
    const runs = training.runs.value.map(({ run }) => run);
    if (busy || runs.length === 0) return;
    busy = true;
    measureNow.disabled = true;
    try {
      const flows: GradientFlow[] = [];
      for (const run of runs) flows.push(await worker.ask({ type: "gradientFlow", run }));
      show(flows);
      problem.hidden = true;
    } catch (error) {
      problem.hidden = false;
      problem.textContent = messageOf(error);
    } finally {
      busy = false;
      measureNow.disabled = false;
    }
  };
  const show = (flows: readonly GradientFlow[]) => {
    const curves = flows.flatMap(({ run, states }) =>
      states.map(({ name, norms }, i): PlottedCurve => {
        const steps = Array.from(norms, (_, t) => t);
        // The last step of the sequence is 0 steps before the loss.
        const values = Array.from(norms, (_, t) => Math.max(floor, norms[norms.length - 1 - t] ?? 0));
        return {
          name: `${run}: ${name.replace(/^layers\/0\//, "")}`,
          colour: training.colourOf(run),
          steps,
          values,
          style: i === 0 ? "line" : "dashes",
        };
      }),
    );
    plot.show(curves);
    legend.show(
      curves.map(({ values, ...curve }) => {
        const [first = 0] = values;
        const share = first > 0 ? (values.at(-1) ?? 0) / first : 0;
        return { ...curve, note: reach(share, values.length) };
      }),
    );
  };
  const update = () => {
    const none = training.runs.value.length === 0;
    empty.hidden = !none;
    plot.element.hidden = none;
    legend.element.hidden = none;
    measureNow.hidden = none;
  };
  training.runs.follow(update);
  const isShown = () => plot.element.offsetParent !== null;
  window.setInterval(() => {
    if (isShown() && training.phase.value === "training") void measure();
  }, pace);
  const about = h(
    "p",
    { class: "about" },
    "The norm of ∂loss/∂state, where the loss is that of the last time step alone. Read it from right to left: the gradient starts at the loss and goes back in time.",
  );
  return {
    element: h("div", { class: "flow-panel" }, about, empty, measureNow, problem, plot.element, legend.element),
    shown: () => void measure(),
  };
}

function reach(share: number, steps: number): string {
  const text = share >= 0.001 ? `${Number((share * 100).toPrecision(2))} %` : share.toExponential(0);
  return ` ${text} is left ${steps - 1} steps back`;
}

/** Such as 10⁻³; ticks lie at powers of ten. */
function powerOfTen(value: number): string {
  const exponent = Math.log10(value);
  if (!Number.isInteger(Number(exponent.toFixed(6)))) return "";
  return `10${[...String(Math.round(exponent))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)] ?? "⁻").join("")}`;
}
