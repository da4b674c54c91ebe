/** @file What a script of checks says: a line about each thing that holds, and a list of those that do not. */

/** States that something holds, or not; `detail` says what came instead. */
export type Hold = (what: string, isRight: boolean, detail?: string) => void;

/** `say` gets a line about each thing that holds; the others are in `faults`. */
export function holding(say: (line: string) => void): { readonly hold: Hold; readonly faults: string[] } {
  const faults: string[] = [];
  const hold: Hold = (what, isRight, detail = "") => {
    if (isRight) say(what);
    else faults.push(`${what}: not so${detail === "" ? "" : `: ${detail}`}`);
  };
  return { hold, faults };
}
