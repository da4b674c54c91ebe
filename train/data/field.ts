/**
 * @file Parses a field of a table: a number in any common notation, a date, or a missing value. "1,5" is a number with a
 * decimal comma, "1,234.5" one with thousands separators, and "1,234" can be either.
 */

/** The decimal separator of numbers. */
export type Decimal = "point" | "comma";

export const decimals: Readonly<Record<Decimal, true>> = { point: true, comma: true };

/** The possible values of a field: with a decimal point, and with a decimal comma. */
export type Readings = Readonly<Partial<Record<Decimal, number>>>;

const exponent = String.raw`([eE][+-]?\d+)?`;
const point = new RegExp(String.raw`^[+-]?((\d+\.?\d*|\.\d+)${exponent}|[1-9]\d{0,2}(,\d{3})+|\d{1,3}(,\d{3})+\.\d*)$`);
const comma = new RegExp(String.raw`^[+-]?((\d+,?\d*|,\d+)${exponent}|[1-9]\d{0,2}(\.\d{3})+|\d{1,3}(\.\d{3})+,\d*)$`);
/** Spaces and apostrophes between thousands. */
const gaps = /(?<=\d)[ '\u00a0\u2009\u202f\u2019](?=\d{3}(?!\d))/g;
/** Below the largest f32, which leaves room for sums. */
const largest = 3.4e38;

/** A field as numbers; empty if it is not a number, or does not fit into f32. */
export function readingsOf(field: string): Readings {
  const text = plain(field);
  const numbers: Readings = {
    ...(point.test(text) && { point: Number(text.replaceAll(",", "")) }),
    ...(comma.test(text) && { comma: Number(text.replaceAll(".", "").replace(",", ".")) }),
  };
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => Math.abs(value) < largest));
}

/** Replaces typographic minus signs, and removes the gaps between thousands. */
function plain(field: string): string {
  const text = field.trim().replace(/^[\u2212\u2013]/, "-");
  return /^[+-]?\d{1,3}[ '\u00a0\u2009\u202f\u2019]\d{3}/.test(text) ? text.replace(gaps, "") : text;
}

/** Whether a field is written as a number, of any size. */
export const isNumeral = (field: string): boolean => point.test(plain(field)) || comma.test(plain(field));

const isNumber = (field: string): boolean => Object.keys(readingsOf(field)).length > 0;

const zone = String.raw`\s*(Z|UTC|GMT|[ECMP][SD]T|CES?T)?\s*([+-]\d{2}(:?\d{2})?)?`;
const timeOfDay = String.raw`\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([AaPp]\.?[Mm]\.?)?${zone}`;
const month = String.raw`(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?`;
const weekday = String.raw`((mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?`;
const days = [
  String.raw`\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?`,
  String.raw`\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}`,
  String.raw`\d{1,2}[-/.]\d{4}`,
  String.raw`\d{1,2}(st|nd|rd|th)?[-\s./]*${month}[-\s./,]*(\d{4}|\d{2})?`,
  String.raw`${month}[-\s./]*(\d{1,2}(st|nd|rd|th)?(,?\s*\d{4})?|\d{4})`,
  String.raw`\d{4}[-\s]*${month}([-\s]*\d{1,2})?`,
  String.raw`\d{4}[-\s]?(W\d{1,2}(-?\d)?|Q[1-4]|M\d{1,2}|H[12])`,
  String.raw`(Q[1-4]|H[12])[-\s/]*\d{4}`,
].join("|");
const date = new RegExp(`^(${weekday}(${days})([T,\\s]\\s*${timeOfDay})?|${timeOfDay})$`, "i");
const ofTime = /(^|[^a-z])(date|datetime|time|timestamp|month|week|quarter|period|day|year)s?([^a-z]|$)/i;

/** Whether a field is a date or a time of day; in a column named after one, every field that is not a number is. */
export function isDate(field: string, column = ""): boolean {
  const text = field.trim();
  return text !== "" && !isNumber(field) && (date.test(text) || ofTime.test(column));
}

const nothing = ["", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", "."];

/** Whether a field marks a missing value. */
export const isMissing = (field: string): boolean => nothing.includes(field.trim().toLowerCase());

/** Whether a field is a number, a date or a missing value; used to find a table's separator. */
export const isReadable = (field: string): boolean => isNumber(field) || isMissing(field) || isDate(field);
