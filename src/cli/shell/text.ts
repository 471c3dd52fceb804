/** How values look to people. What others have sent must not steer anybody's terminal. */
import { jsonLine } from "../terminal.ts";

/** Control characters, and those that turn the direction of what follows. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through.
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const breaking = /[\t\n\u2028\u2029]/g;

/** Text that may have several lines, with what would steer a terminal spelled out. */
export function harmless(text: string): string {
  return text.replace(steering, spelledOut);
}

/** The same, in one line. */
export function oneLine(text: string): string {
  return harmless(text).replace(breaking, " ");
}

/** A text as it is, anything else as JSON; nothing for `undefined`. */
export function valueText(value: unknown): string {
  if (value === undefined) return "";
  return harmless(typeof value === "string" ? value : jsonLine(value));
}

/** 0.25, 3.1, 42, 1,204 ms: as many digits as matter; "-" for what nobody knows. */
export function millisecondsText(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  if (value >= 10) return countText(Math.round(value));
  return String(Number(value.toPrecision(2)));
}

/** 1,234 */
export function countText(value: number): string {
  return value.toLocaleString("en-US");
}

/** ISO 8601, to the second. */
export function timeText(ms: number): string {
  return Number.isFinite(ms) ? `${new Date(ms).toISOString().slice(0, 19)}Z` : "-";
}

function spelledOut(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
