/** The trading desk without its processes: prices, views, risk, money, and who notices when it is wrong. */
import { expect, test } from "vitest";
import type { Account, Fill, Order } from "../../examples/trading-desk/protocol.ts";
import { accountsOf, profitCents } from "../../examples/trading-desk/rules/accounts.ts";
import { execute } from "../../examples/trading-desk/rules/exchange.ts";
import { parseMarket, readMarket } from "../../examples/trading-desk/rules/market.ts";
import { type Check, reconcile } from "../../examples/trading-desk/rules/reconcile.ts";
import { replay } from "../../examples/trading-desk/rules/replay.ts";
import { assess } from "../../examples/trading-desk/rules/risk.ts";
import { quantile } from "../../examples/trading-desk/rules/statistics.ts";
import { strategies } from "../../examples/trading-desk/rules/strategies.ts";

const market = readMarket();
const header = "date,open,high,low,close,adjclose,volume";
const bar = {
  date: "2000-01-03",
  openCents: 146_925,
  highCents: 147_800,
  lowCents: 143_836,
  closeCents: 145_522,
  volume: 931_800_000,
};

test("the market is twenty years of days in order, in whole cents", () => {
  expect(market.length).toBeGreaterThan(5_000);
  expect(market[0]).toEqual(bar);
  for (const [index, day] of market.entries()) {
    expect(day.date > (market[index - 1]?.date ?? "")).toBe(true);
    expect(day.lowCents).toBeLessThanOrEqual(day.closeCents);
    expect(day.highCents).toBeGreaterThanOrEqual(day.closeCents);
  }
});

test("a line that is not a trading day is named", () => {
  const csv = `${header}\n2000-01-03,1,2,1,1,1,7\n2000-01-04,1,2,one,1,1,7\n`;
  expect(() => parseMarket(csv)).toThrow("line 3");
  expect(() => parseMarket("date,price\n")).toThrow("line 1");
});

test("two replays of the same days are the same to the cent", () => {
  expect(replay(market)).toEqual(replay(readMarket()));
});

test("the first days of a replay do not depend on those that follow", () => {
  const short = replay(market.slice(0, 400));
  const long = replay(market);
  expect(short.orders.length).toBeGreaterThan(100);
  expect(long.orders.filter(({ day }) => day <= 400)).toEqual(short.orders);
});

test("every order has an id of its own, made of strategy and day", () => {
  const { orders } = replay(market);
  expect(new Set(orders.map(({ id }) => id)).size).toBe(orders.length);
  for (const { id, strategy, day } of orders) {
    expect(id).toBe(`${strategy}-${String(day).padStart(4, "0")}`);
  }
});

test("each strategy trades, both ways", () => {
  const { orders } = replay(market);
  for (const { name } of strategies) {
    const own = orders.filter(({ strategy }) => strategy === name);
    expect(own.some(({ shares }) => shares > 0)).toBe(true);
    expect(own.some(({ shares }) => shares < 0)).toBe(true);
  }
});

test("no position is ever worth more than the risk agents allow", () => {
  const held = new Map<string, number>();
  for (const { strategy, shares, bar: day } of replay(market).orders) {
    const now = (held.get(strategy) ?? 0) + shares;
    held.set(strategy, now);
    expect(Math.abs(now * day.closeCents)).toBeLessThanOrEqual(150_000_000);
  }
});

test("a calm market is given a larger position than a wild one", () => {
  const swinging = (swing: number) =>
    Array.from({ length: 21 }, (_, day) => 100_000 + (day % 2) * swing);
  const wanted = (swing: number) =>
    assess({ strategy: "any", view: 1, shares: 0, closesCents: swinging(swing) }).trade;
  expect(wanted(1_000)).toBeGreaterThan(wanted(5_000));
  expect(wanted(5_000)).toBeGreaterThan(0);
});

test("a position is left alone while the wanted one is about the same, and closed when none is wanted", () => {
  const closesCents = Array.from({ length: 21 }, (_, day) => 100_000 + (day % 2) * 2_000);
  const { trade: wanted } = assess({ strategy: "any", view: 1, shares: 0, closesCents });
  const nearly = Math.round(wanted * 0.95);
  expect(assess({ strategy: "any", view: 1, shares: nearly, closesCents }).trade).toBe(0);
  expect(assess({ strategy: "any", view: 0, shares: nearly, closesCents }).trade).toBe(-nearly);
  expect(assess({ strategy: "any", view: -1, shares: nearly, closesCents }).trade).toBe(
    -wanted - nearly,
  );
});

test("buyers pay more than the close, sellers get less, both pay the fee", () => {
  const order: Order = { id: "trend-0001", strategy: "trend", day: 1, shares: 100, bar };
  expect(execute(order)).toMatchObject({ shares: 100, priceCents: 145_602, feeCents: 100 });
  expect(execute({ ...order, shares: -100 })).toMatchObject({
    shares: -100,
    priceCents: 145_442,
    feeCents: 100,
  });
});

test("an account is the sum of its fills, in whatever order they are booked", () => {
  const bought = fillOf({ orderId: "a", shares: 10, priceCents: 1_000 });
  const sold = fillOf({ orderId: "b", shares: -4, priceCents: 1_500 });
  const account: Account = { strategy: "trend", fills: 2, shares: 6, cashCents: -4_002 };
  expect([...accountsOf([bought, sold]).values()]).toEqual([account]);
  expect([...accountsOf([sold, bought]).values()]).toEqual([account]);
  expect(profitCents(account, 2_000)).toBe(7_998);

  const { fills, accounts } = replay(market);
  expect(accountsOf(fills.toReversed())).toEqual(accounts);
});

test("quantiles are values of the list", () => {
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2);
  expect(quantile([1, 2, 3, 4], 0.99)).toBe(4);
  expect(quantile([7], 0)).toBe(7);
  expect(quantile([], 0.5)).toBeNaN();
});

const expected = replay(market.slice(0, 300));
const stated = [...expected.accounts.values()];
const [firstFill] = expected.fills;

test("a run that equals the replay passes every check, whatever the order of its fills", () => {
  const checks = reconcile(expected, expected.fills.toReversed(), stated.toReversed());
  expect(checks.length).toBeGreaterThan(0);
  expect(failed(checks)).toEqual([]);
});

test("an order that is missing is named", () => {
  const checks = reconcile(expected, expected.fills.slice(1), stated);
  expect(wrongIn(checks, "every order was booked")).toEqual([firstFill?.orderId]);
  expect(failed(checks)).toContain("the ledger's accounts are the sum of its entries");
});

test("an order booked twice is named", () => {
  const twice = [...expected.fills, firstFill as Fill];
  const checks = reconcile(expected, twice, [...accountsOf(twice).values()]);
  expect(wrongIn(checks, "no order was booked twice")).toEqual([firstFill?.orderId]);
  expect(failed(checks)).toContain("the ledger's accounts equal the replay's");
  expect(wrongIn(checks, "every order was booked")).toEqual([]);
});

test("an order that nobody should have made is named", () => {
  const checks = reconcile(expected, [...expected.fills, fillOf({ orderId: "rogue" })], stated);
  expect(wrongIn(checks, "nothing else was booked")).toEqual(["rogue"]);
});

test("a fill at another price is named", () => {
  const [first, ...rest] = expected.fills as readonly [Fill, ...Fill[]];
  const changed = { ...first, priceCents: first.priceCents + 1 };
  const checks = reconcile(expected, [changed, ...rest], stated);
  expect(wrongIn(checks, "every fill equals the replay's")).toEqual([first.orderId]);
});

test("a ledger that states less than it booked is found out", () => {
  const checks = reconcile(expected, expected.fills, stated.slice(1));
  expect(failed(checks)).toEqual([
    "the ledger's accounts are the sum of its entries",
    "the ledger's accounts equal the replay's",
  ]);
});

function fillOf(fields: Partial<Fill>): Fill {
  const some = {
    orderId: "some",
    strategy: "trend",
    day: 1,
    shares: 1,
    priceCents: 1,
    feeCents: 1,
  };
  return { ...some, ...fields };
}

function failed(checks: readonly Check[]): readonly string[] {
  return checks.filter(({ wrong }) => wrong.length > 0).map(({ what }) => what);
}

function wrongIn(checks: readonly Check[], what: string): readonly string[] | undefined {
  return checks.find((check) => check.what === what)?.wrong;
}
