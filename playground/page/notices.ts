/** @file Lines above everything else that ask or tell: a link's cells, a missing GPU. */
import { button, byId, h } from "./dom.ts";

export interface Notice {
  readonly text: string;
  readonly actions?: readonly { readonly label: string; readonly act: () => void }[];
  readonly kind?: "question" | "trouble";
}

/** Shows a notice; the function that comes back takes it away. */
export function notify({ text, actions = [], kind = "question" }: Notice): () => void {
  const close = () => line.remove();
  const buttons = actions.map(({ label, act }) =>
    button(label, () => {
      close();
      act();
    }),
  );
  const line = h("div", { class: `notice ${kind}` }, h("p", {}, text), ...buttons);
  byId("notices").append(line);
  return close;
}
