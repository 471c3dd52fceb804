import { expect, test } from "vitest";
import { frameVectors } from "../../scripts/vectors/document.ts";
import { messageVectors } from "../../scripts/vectors/messages.ts";
import { hexOf } from "../../scripts/vectors/vector.ts";
import { credentialBytesMax } from "../../src/broker/hub/operations/greeting.ts";
import { operationBytesMax, strangerLimits } from "../../src/broker/hub/operations/limits.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { defaultRetry } from "../../src/delivery/retry.ts";
import { ColloquyError, isErrorCode } from "../../src/errors.ts";
import { causalityLimits } from "../../src/exchange/causality/limits.ts";
import {
  startWaitMs,
  timeoutMsDefault,
  verdictWaitMs,
  windowDefault,
} from "../../src/exchange/options.ts";
import { controlNames, toHandler } from "../../src/exchange/requests/control.ts";
import { Space } from "../../src/exchange/space.ts";
import { BoundEntries } from "../../src/hub/bound-entries.ts";
import { type CallContext, callMethod, methodNames } from "../../src/hub/call-methods.ts";
import { Cursors } from "../../src/hub/cursors.ts";
import { defaultHubLimits } from "../../src/hub/limits.ts";
import { webSocketMessageBytesMax } from "../../src/link/websocket-message.ts";
import { decodeMessage } from "../../src/message/envelope-codec.ts";
import { kinds, present, priorities } from "../../src/message/envelope-fields.ts";
import {
  frameAt,
  frameFlags,
  frameTypes,
  frameVersion,
  plainSuite,
} from "../../src/message/frame.ts";
import * as limits from "../../src/message/limits.ts";
import { compressions, payloadCodecs } from "../../src/message/message.ts";
import { leaseMs } from "../../src/network/presence.ts";
import { remotePace } from "../../src/network/remote-pace.ts";
import { headerOf, numbersOf, tableOf } from "../support/message-grammar.ts";
import { read } from "../support/repository.ts";

const page = read("docs/protocol.md");
const flat = page.replaceAll(/\s+/g, " ");

test("every type of frame has its number, and there is no other", () => {
  expect(numbersOf(page, "frames")).toEqual(frameTypes);
  expect(tableOf(page, "frames")).toHaveLength(Object.keys(frameTypes).length);
});

test("frames are sent by whom the table says", () => {
  const senders = new Map(tableOf(page, "frames").map(([, name, from]) => [name, from ?? ""]));
  for (const { name, type, from } of frameVectors) {
    expect(senders.get(type), name).toContain(from === "hub" ? "h" : "c");
  }
});

test("kinds, priorities, codecs, compressions and fields have their numbers", () => {
  expect(numbersOf(page, "kinds")).toEqual(numbered(kinds));
  expect(numbersOf(page, "priorities")).toEqual(numbered(priorities));
  const codecs = tableOf(page, "codecs").map(([number, name]) => [name, Number(number)]);
  expect(Object.fromEntries(codecs)).toEqual(payloadCodecs);
  expect(numbersOf(page, "compressions")).toEqual(compressions);
  expect(numbersOf(page, "fields")).toEqual(present);
  expect(page).toContain(`version       u8, ${frameVersion} `);
  expect(page).toContain(`suite         u8, ${plainSuite}:`);
  expect(page).toContain(`flags         u8, ${frameFlags.CONTROL}: CONTROL`);
});

function numbered(names: readonly (string | undefined)[]): Readonly<Record<string, number>> {
  const pairs = names.map((name, number) => [name, number] as const);
  return Object.fromEntries(pairs.filter(([name]) => name !== undefined));
}

test("a header made by the page's tables is that of the message", () => {
  for (const { name, envelope, bytes, readOnly } of messageVectors) {
    if (readOnly) continue;
    const { codec, compression } = decodeMessage(bytes).payload;
    const made = headerOf(page, envelope, codec, compression);
    expect(made, name).toBe(hexOf(frameAt(bytes).header));
  }
});

/** What a number stands for, by the names of the vectors that have it. */
test.each([
  ["TRACKED", "state"],
  ["SETTLE", "outcome"],
  ["NOTICE", "kind"],
] as const)("the codes of %s mean what the page says", (type, field) => {
  const block = page.split("```").find((part) => part.includes(`\n${type} `)) ?? "";
  const codes = frameVectors.filter((vector) => vector.type === type && !vector.name.includes(","));
  for (const { name, fields } of codes) {
    expect(block.replaceAll(/\s+/g, " "), name).toContain(
      ` ${fields[field]} ${name.slice(type.length + 2)}`,
    );
  }
  const numbers = codes.map(({ fields }) => fields[field]);
  expect(numbers).toEqual(numbers.map((_none, number) => number));
});

test("every method that a hub knows is there, with the parameters that it reads", async () => {
  const rows = tableOf(page, "methods");
  expect(rows.map(([method]) => method)).toEqual(methodNames);
  for (const [method = "", parameters = ""] of rows) {
    const named = [...parameters.matchAll(/(?:[{,]\s*)(\w+)/g)].map(([, name]) => name as string);
    expect(new Set(named), method).toEqual(await namesReadBy(method));
  }
});

/** Something of the right kind for each parameter; `kind` makes of a report one that has all others. */
const samples: Readonly<Record<string, unknown>> = {
  queues: ["type:email"],
  reports: [
    {
      queue: "q",
      position: 1,
      fence: 1,
      kind: "waiting-input",
      number: 1,
      question: new Uint8Array(1),
    },
    { queue: "q", position: 1, fence: 1, kind: "progress", data: new Uint8Array(1) },
  ],
  queue: "type:email",
  position: 1,
  ifUnstarted: true,
  number: 1,
  data: new Uint8Array(1),
  after: 0,
  limit: 1,
  numbers: [1],
  keys: ["a"],
  writes: [
    { key: "a", value: new Uint8Array(1), ifRevision: 0, ttlMs: 1, volatile: true, bound: true },
  ],
  prefix: "a",
  stream: "a",
  entries: [new Uint8Array(1)],
  at: 0,
  from: 0,
  follow: false,
  cursor: 1,
};

/** The members of its parameters that a method looks at, those of lists in them included. */
async function namesReadBy(method: string): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  const watched = (members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
    new Proxy(members, {
      get: (target, name) => {
        names.add(String(name));
        const value = Reflect.get(target, name) as unknown;
        if (!Array.isArray(value)) return value;
        return value.map((each) => (each?.constructor === Object ? watched(each) : each));
      },
    });
  const broker = openMemoryBroker();
  const over = new AbortController();
  const context: CallContext = {
    broker,
    cursors: new Cursors(),
    bound: new BoundEntries(),
    number: 1,
    signal: over.signal,
    note: () => {},
    stayOpen: () => {},
    slow: () => false,
    caughtUp: async () => {},
  };
  const parameters = method === "store.list" ? { ...samples, after: "" } : samples;
  // Some find nothing of that number, which does not matter here.
  const called = callMethod(context, method, watched(parameters)).catch(() => {});
  if (method !== "store.watch") await called;
  over.abort(new ColloquyError("CANCELLED", "over"));
  await called;
  await broker.close();
  return names;
}

test("every control is there, and says to which end it goes", () => {
  const rows = tableOf(page, "controls");
  expect(rows.map(([name]) => name)).toEqual(controlNames);
  const either = ["waits", "waiting", "survey", "surveyed", "present"];
  for (const [name = "", to] of rows) {
    expect(to, name).toBe(either.includes(name) ? "either" : toHandler.has(name) ? "h" : "r");
  }
});

test("names are in a space what the page says", () => {
  const rows: readonly (readonly [string, (space: Space) => string])[] = [
    ["`market.gold`", (space) => space.topic("market.gold")],
    ["`_inbox.INSTANCE`", (space) => space.inbox("INSTANCE")],
    ["`agent:ID`", (space) => space.queue("agent:ID")],
    ["`store/KEY`", (space) => space.storeKey("KEY")],
    ["`presence/…`", (space) => space.presenceKey("…")],
    ["`NAME`", (space) => space.stream("NAME")],
  ];
  for (const [plain, make] of rows) {
    expect(`\`${make(new Space())}\``).toBe(plain);
    const row = page.split("\n").find((line) => line.includes(`| ${plain}`));
    expect(row).toContain(`| \`${make(new Space("S"))}\``);
  }
});

test("every error code on the page and on that of errors exists, and none is missing there", () => {
  const source = read("src/errors.ts");
  const codes = [...source.matchAll(/^ {2}([A-Z_]+): \{ status/gm)].map(
    ([, code]) => code as string,
  );
  const errors = read("docs/errors.md");
  const rows = [...errors.matchAll(/^\| ([A-Z_]+) \| .* \| (yes|no|with)\b[^|]*\|[^|]*\|$/gm)];
  const reserved = errors.split("## Reserved")[1]?.match(/\b[A-Z]+_[A-Z_]+\b|\bREPLAYED\b/g) ?? [];
  const named = [...rows.map(([, code]) => code as string), ...reserved];
  expect(named.sort()).toEqual(codes.sort());
  for (const [, code, retryable] of rows) {
    if (!isErrorCode(code)) throw new Error(code);
    // "With": it depends, and by default it is not.
    expect(`${code} ${retryable === "yes"}`).toBe(
      `${code} ${new ColloquyError(code, "").retryable}`,
    );
  }
  const words = new Set(page.match(/\b[A-Z]+_[A-Z_]+\b/g));
  for (const word of words) expect(codes).toContain(word);
});

/** A number that no module exports, where its file defines it. */
function numberIn(path: string, name: string): number {
  const found = new RegExp(`\\b${name}(?:: number)? ?[=:] ([\\d_ *]+)[;,]`).exec(read(path))?.[1];
  if (found === undefined) throw new Error(`no ${name} in ${path}`);
  return found
    .replaceAll("_", "")
    .replaceAll("**", "^")
    .split(" * ")
    .map((factor) => factor.split("^").map(Number))
    .reduce((product, [base = 1, exponent = 1]) => product * base ** exponent, 1);
}

const inText = (value: number): string => value.toLocaleString("en-US");
const kib = (bytes: number): string => `${bytes / 2 ** 10} KiB`;
const mib = (bytes: number): string => `${bytes / 2 ** 20} MiB`;
const seconds = (ms: number): string => `${ms / 1_000} second${ms === 1_000 ? "" : "s"}`;

const hub = defaultHubLimits;
const requests = "src/exchange/requests";
const presence = (name: string): string => inText(numberIn("src/network/presence.ts", name));
const engine = (name: string): number => numberIn("src/broker/engine/limits.ts", name);
const client = (name: string): number => numberIn("src/broker/hub.ts", name);

test.each([
  `binary messages of a WebSocket, each at most ${kib(webSocketMessageBytesMax)}`,
  `Both ends take headers of up to ${kib(limits.headerBytesMax)}.`,
  `a hub takes headers of up to ${kib(strangerLimits.headerBytesMax)} and payloads of up to ${kib(strangerLimits.payloadBytesMax)}`,
  `both take payloads of up to ${mib(operationBytesMax)}`,
  `1 to ${limits.idCharactersMax} of \`A-Z a-z`,
  `1 to ${limits.nameBytesMax} bytes of UTF-8`,
  `the recipients, at most ${inText(limits.recipientsMax)}`,
  `oldest first; at most ${limits.pathMax}`,
  `at most ${limits.headersMax}, ${kib(limits.headersBytesMax)} together`,
  `up to ${inText(limits.batchMessagesMax)} MESSAGE frames`,
  `Up to ${limits.payloadDepthMax} arrays and objects`,
  `2^${Math.log2(limits.payloadValuesMax)} values in a payload`,
  `in the order of places; at most ${inText(limits.payloadByteArraysMax)}`,
  `compress payloads of ${kib(limits.compressionBytesMin)} or more`,
  `A payload has at most ${mib(limits.payloadBytesMax)}, compressed`,
  `a window of at most ${mib(2 ** numberIn("src/message/compression.ts", "zstdWindowLogMax"))}`,
  `1 to ${limits.topicCharactersMax} characters, at most ${limits.topicTokensMax} tokens`,
  `at most ${inText(numberIn("src/broker/hub/operations/error.ts", "charactersMax"))} characters: what would be longer`,
  `A hub waits ${seconds(hub.helloTimeoutMs)} for it`,
  `at most ${inText(credentialBytesMax)} bytes of UTF-8`,
  `"silenceMsMax": ${hub.silenceMsMax}`,
  `for ${seconds(hub.reconnectGraceMs)} (${hub.remoteReconnectGraceMs / 1_000} where the link was no Unix socket)`,
  `(${mib(hub.liveBacklogBytesMax)} wait for it)`,
  `where ${mib(hub.backlogBytesMax)} wait, the link ends`,
  `waits for it up to ${numberIn("src/broker/engine/topics.ts", "heedMsMax")} ms`,
  `together at most ${inText(numberIn("src/broker/hub/intake.ts", "namesCharactersMax"))} characters`,
  `has at most ${numberIn("src/broker/hub/operations/await.ts", "runsMax")} runs and ${inText(numberIn("src/broker/hub/operations/await.ts", "frameMessagesMax"))} messages`,
  `keeps back for ${seconds(engine("reconnectGraceMs"))}`,
  `nothing for ${engine("day") / 3_600_000} hours`,
  `from ${client("backoffMinMs")} ms to ${client("backoffMaxMs") / 1_000} s on one machine, from ${remotePace.backoffMinMs} ms to ${(remotePace.backoffMaxMs ?? 0) / 1_000} s over a network`,
  `\`ttlMs\` ${inText(leaseMs)}, put again every ${presence("renewMs")} ms`,
  `up to ${presence("cardsPerChunk")} cards`,
  `\`ttlMs\` ${presence("cardsMs")}, put again every ${presence("rewriteMs")} ms`,
  `does not come again within ${seconds(leaseMs)}`,
  `${seconds(startWaitMs)} until the first sign`,
  `then \`timeoutMs\` (${seconds(timeoutMsDefault)})`,
  `verdict, or ${verdictWaitMs / 1_000} s ──▶ TIMEOUT`,
  `For ${seconds(numberIn(`${requests}/regrouping.ts`, "regroupMs"))} after a reconnect UNHEARD is not believed, and asked again every ${numberIn(`${requests}/regrouping.ts`, "retryMs")} ms`,
  `not answered ${numberIn(`${requests}/incoming.ts`, "acknowledgeMs") / 1_000} second after it came`,
  `for ${seconds(numberIn(`${requests}/reply-ring.ts`, "keptMs"))}, and answers`,
  `plus its window (${windowDefault})`,
  `without the field ${causalityLimits.hopsMax}, less`,
  `is on it ${["", "once", "twice", "three"][causalityLimits.loopsMax]} times`,
  `after the ${["", "first", "second", "third"][defaultRetry.attemptsMax]} failure`,
  `from ${defaultRetry.baseMs} ms to ${defaultRetry.capMs / 1_000} s`,
])("the page's limits are those of the code: %s", (phrase) => {
  expect(flat).toContain(phrase);
});
