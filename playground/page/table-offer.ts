/** @file A text that looks like a table is learned from letter by letter: an offer to read it as a series instead. */
import { notify } from "./notices.ts";
import { isTable } from "./pasted.ts";
import type { Workspace } from "./session/workspace.ts";

/** Of a text, which part is looked at. */
const looked = 10_000;

export function offerTables({ data }: Workspace): void {
  let close = () => {};
  data.follow((choice) => {
    close();
    close = () => {};
    if (choice.kind !== "text" || !looksLikeTable(choice.text)) return;
    close = notify({
      text: `${choice.name} looks like a table. As text it is learned character by character; as a series, each row is a time step.`,
      actions: [
        { label: "Use it as a series", act: () => data.set({ ...choice, kind: "csv" }) },
        { label: "Keep it as text", act: () => {} },
      ],
    });
  });
}

function looksLikeTable(text: string | Uint8Array): boolean {
  return isTable(typeof text === "string" ? text.slice(0, looked) : new TextDecoder().decode(text.subarray(0, looked)));
}
