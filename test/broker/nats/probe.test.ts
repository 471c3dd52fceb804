import { expect, test } from "vitest";
import type { NatsServerInfo } from "../../../src/broker/nats/client.ts";
import {
  assertServer,
  durabilityOf,
  frameBytesMax,
  type ProbeFacts,
  probeChecks,
} from "../../../src/broker/nats/probe.ts";
import { messageFrameBytesMax } from "../../../src/message/limits.ts";

const server: NatsServerInfo = {
  server_id: "N",
  server_name: "n1",
  version: "2.15.2",
  max_payload: 8 * 2 ** 20,
  headers: true,
  jetstream: true,
  api_lvl: 5,
};

function facts(replicas: number, always: boolean | undefined, more: Partial<NatsServerInfo> = {}) {
  const config = {
    num_replicas: replicas,
    storage: "file",
    retention: "limits",
    duplicate_window: 600_000_000_000,
  };
  const stream = { config };
  return {
    server: { ...server, ...more },
    streams: { work: stream, state: stream, volatile: stream },
    sync: { always, source: "test" },
  } as unknown as ProbeFacts;
}

test.for([
  [1, true, "os", true],
  [1, false, "process", true],
  [1, undefined, "process", false],
  [3, true, "replicated+fsync", true],
  [3, false, "replicated", true],
  [3, undefined, "replicated", false],
] as const)(
  "%i copies, flushed always %s: %s, verified %s",
  ([replicas, always, level, verified]) => {
    expect(durabilityOf(facts(replicas, always))).toMatchObject({
      level,
      verified,
      evidence: { server: "nats-server 2.15.2", replicas, duplicateWindowMs: 600_000 },
    });
  },
);

test.for([
  ["2.15.2", true],
  ["2.14.3", true],
  ["2.14.2", false],
  ["2.13.9", false],
  ["2.12.12", true],
  ["2.12.11", false],
  ["2.12.13-RC.1", true],
  ["3.0.0", true],
  ["2.9.25", false],
  ["nonsense", false],
] as const)("version %s will do: %s", ([version, will]) => {
  const assert = () => assertServer({ ...server, version });
  if (will) expect(assert()).toMatchObject({ version });
  else {
    expect(assert).toThrow(
      expect.objectContaining({
        code: "INVALID_VERSION",
        message: expect.stringMatching(/2\.14\.3 or newer.*Install/),
      }),
    );
  }
});

test("a server without JetStream, or with the smallest payloads, is refused with the setting", () => {
  expect(() => assertServer({ ...server, jetstream: false })).toThrow(/jetstream \{/);
  expect(() => assertServer({ ...server, max_payload: 1_024 })).toThrow(/max_payload: 8MB/);
  expect(() => assertServer(undefined)).toThrow(/has not said/);
});

test("a frame leaves room for headers, and is never longer than elsewhere", () => {
  expect(frameBytesMax(server)).toBe(messageFrameBytesMax);
  expect(frameBytesMax({ ...server, max_payload: 2 ** 20 })).toBe(2 ** 20 - 2 ** 14);
});

test("each check says what was found and what to do", () => {
  const good = probeChecks(facts(3, true));
  expect(good.every(({ ok, fix }) => ok === true && fix === "")).toBe(true);
  const poor = probeChecks(facts(1, undefined, { max_payload: 2 ** 20 }));
  const notOk = poor.filter(({ ok }) => ok !== true);
  expect(notOk.map(({ name, ok }) => [name, ok])).toEqual([
    ["longest frame", false],
    ["sync_interval", undefined],
    ["replicas", false],
  ]);
  expect(notOk.every(({ fix, found, wanted }) => fix !== "" && found !== "" && wanted !== "")).toBe(
    true,
  );
});
