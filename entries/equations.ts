/** @file The entry "cellgrad/equations": cells as equations in text. */
export { EquationError } from "../interchange/equations/fault.ts";
export { type ParseCellOptions, parseCell } from "../interchange/equations/parse-cell.ts";
export { cellText } from "../interchange/equations/write.ts";
