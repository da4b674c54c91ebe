/**
 * @file Line ends of .cell files. A line goes on within brackets, and where the next one begins with an operator; its end
 * is the end of an equation otherwise.
 */
import { ContextTracker, ExternalTokenizer } from "@lezer/lr";
import { CloseBracket, CloseParen, continued, lineEnd, OpenBracket, OpenParen } from "./parser.terms.ts";

/** How many brackets are open. */
export const depth = new ContextTracker<number>({
  start: 0,
  shift: (open, term) => {
    if (term === OpenParen || term === OpenBracket) return open + 1;
    return term === CloseParen || term === CloseBracket ? open - 1 : open;
  },
  hash: (open) => open,
});

const isEnd = (code: number) => code === 10 || code === 13;
const isSpace = (code: number) => code === 32 || code === 9 || code === 0xa0 || isEnd(code);
const operators: ReadonlySet<number> = new Set([..."+-−*∘⊙◦○×·⋅/^"].map((one) => one.codePointAt(0) ?? 0));

export const newlines = new ExternalTokenizer(
  (input, stack) => {
    if (!isEnd(input.next)) return;
    let count = 0;
    while (isSpace(input.peek(count))) count += 1;
    const open: unknown = stack.context;
    const goesOn = Number(open) > 0 || operators.has(input.peek(count));
    input.advance(count);
    input.acceptToken(goesOn ? continued : lineEnd);
  },
  { contextual: true },
);
