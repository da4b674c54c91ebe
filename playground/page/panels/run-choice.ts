/** @file Chooses one of the runs there are; says so where there is none. */
import { h } from "../dom.ts";
import { Signal } from "../session/signal.ts";
import type { Training } from "../session/training.ts";
import { fillSelect } from "./field.ts";

export interface RunChoice {
  readonly element: HTMLElement;
  /** Name of the chosen run. */
  readonly chosen: Signal<string | undefined>;
}

/** `others` are names that can be chosen besides the runs, such as that of a loaded model. */
export function runChoice(
  training: Training,
  others: Signal<readonly string[]> = new Signal<readonly string[]>([]),
): RunChoice {
  const chosen = new Signal<string | undefined>(undefined);
  const select = h("select", { "aria-label": "Run" });
  const update = () => {
    const names = [...training.runs.value.map(({ run }) => run), ...others.value];
    fillSelect(
      select,
      names.map((name) => ({ value: name, label: name })),
    );
    select.hidden = names.length < 2;
    chosen.set(names.length === 0 ? undefined : select.value);
  };
  select.addEventListener("change", () => chosen.set(select.value));
  training.runs.follow(update);
  others.follow(update);
  return { element: select, chosen };
}
