/** @file Checks the gradient of the cell in the editor on random cases, and shows the smallest that fails. */

import { type CheckResult, checkSizes } from "../../shared/protocol.ts";
import { button, h } from "../dom.ts";
import { grouped } from "../numbers.ts";
import type { Sandbox } from "../sandbox-client.ts";
import { messageOf } from "../session/training.ts";
import type { Workspace } from "../session/workspace.ts";
import type { WorkerClient } from "../worker-client.ts";

const cases = 50;

export function checkPanel(workspace: Workspace, sandbox: Sandbox, worker: WorkerClient): HTMLElement {
  const result = h("div", { class: "check-result", role: "status" });
  let seed = 0;
  const start = button("Check the gradient", () => void check());
  const check = async () => {
    const { name, source } = workspace.activeCell;
    start.disabled = true;
    result.replaceChildren(h("p", { class: "about" }, `Checking ${name}…`));
    try {
      const outcome = await sandbox.trace(source, checkSizes, { anySize: true });
      if (outcome.kind !== "traced")
        throw new Error(outcome.kind === "fault" ? outcome.fault.message : "the source changed");
      result.replaceChildren(
        ...report(name, await worker.ask({ type: "check", cell: outcome.encoded, cases, seed: seed++ })),
      );
    } catch (error) {
      result.replaceChildren(h("p", { class: "problem" }, messageOf(error)));
    } finally {
      start.disabled = false;
    }
  };
  const about = h(
    "p",
    { class: "about" },
    "Compares the gradient that the compiler derives with forward mode and with difference quotients, on random sizes and numbers. Where one differs, the case is made as small as it gets.",
  );
  return h("div", { class: "check-panel" }, about, h("div", { class: "row" }, start), result);
}

function report(name: string, result: CheckResult): HTMLElement[] {
  const { right, cases, comparisons, kinks, uncompared, worst, failure } = result;
  const fault =
    uncompared.length === 0
      ? `The gradient of ${name} is wrong.`
      : `The gradient of ${name} was not compared, at a kink in every case: ${uncompared.join(", ")}.`;
  const outcome = h(
    "p",
    { class: right ? "outcome right" : "outcome wrong" },
    right ? `The gradient of ${name} is right.` : fault,
  );
  const facts = h(
    "dl",
    {},
    ...fact("Cases", grouped(cases)),
    ...fact("Derivatives compared", grouped(comparisons)),
    ...(kinks > 0 ? fact("Left out, at a kink", grouped(kinks)) : []),
    ...fact("Worst error against forward mode", worst.forward.toExponential(1)),
    ...fact("Worst error against differences", worst.difference.toExponential(1)),
  );
  if (failure === undefined) return [outcome, facts];
  const { message, units, features, batch, time, carried, arguments: given, notes } = failure;
  return [
    outcome,
    h("p", {}, message),
    ...notes.map(({ message, line }) =>
      h("p", { class: "note" }, `${line === undefined ? "" : `Line ${line}: `}${message}`),
    ),
    h("h3", {}, "The smallest case that fails"),
    h(
      "p",
      { class: "about" },
      `${units} units, ${features} features, batch ${batch}, ${time} time steps, ${carried ? "a state carried over" : "from zero states"}.`,
    ),
    h(
      "pre",
      { class: "case" },
      given
        .map(
          ({ name, shape, values }) =>
            `${name} [${shape.join(", ")}]  ${values.map((value) => Number(value.toPrecision(6))).join(" ")}`,
        )
        .join("\n"),
    ),
    facts,
  ];
}

function fact(term: string, value: string): HTMLElement[] {
  return [h("dt", {}, term), h("dd", {}, value)];
}
