/** Twenty years of real prices: the S&P 500 index, day by day, 2000-01-03 to 2020-04-17. */
import { readFileSync } from "node:fs";
import type { Bar } from "../protocol.ts";

/** The npm package vega-datasets ships the file; its source is Yahoo Finance. */
const file = new URL("../data/sp500-2000.csv", import.meta.resolve("vega-datasets"));

const header = "date,open,high,low,close,adjclose,volume";

/** Every trading day in the file, oldest first. */
export function readMarket(): readonly Bar[] {
  return parseMarket(readFileSync(file, "utf8"));
}

/** @throws Error naming the line that is not a trading day. */
export function parseMarket(csv: string): readonly Bar[] {
  const [first, ...lines] = csv.trimEnd().split("\n");
  if (first !== header) throw new Error(`line 1: expected "${header}", found "${first}"`);
  return lines.map((line, index) => parseBar(line, index + 2));
}

function parseBar(line: string, lineNumber: number): Bar {
  const [date = "", open, high, low, close, , volume] = line.split(",");
  const bar: Bar = {
    date,
    openCents: cents(open),
    highCents: cents(high),
    lowCents: cents(low),
    closeCents: cents(close),
    volume: Number(volume),
  };
  const whole = Object.values(bar).every((value) => value === date || Number.isSafeInteger(value));
  if (!whole) throw new Error(`line ${lineNumber}: not a trading day: "${line}"`);
  return bar;
}

function cents(dollars: string | undefined): number {
  return Math.round(Number(dollars) * 100);
}
