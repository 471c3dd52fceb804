import { expect, test } from "vitest";
import {
  boundedName,
  boundedToken,
  decodeToken,
  encodeToken,
  Names,
  nameHeader,
  nameHeaders,
  nameSubjectBytesMax,
} from "../../../src/broker/nats/names.ts";
import { fc } from "../../support/properties.ts";

const names = new Names("fabric");
const names_ = fc
  .string({ unit: "binary", maxLength: 1_024 })
  .filter((name) => name.isWellFormed());

/** What a subject may be made of. */
const subject = /^[!-)+-=?-~]+(\.[!-)+-=?-~]+)*$/;

test("what is readable stays readable", () => {
  expect(names.entry("state", "presence/01J/lease")).toBe("fabric.s.presence.01J.lease");
  expect(names.entry("volatile", "a.b//x y")).toBe("fabric.v.a%2Eb.%.x%20y");
  expect(names.logEntry("agent:bank/deposits", 7)).toBe("fabric.l.agent:bank%2Fdeposits.7");
  expect(names.topic("market.*")).toBe("fabric.t.market.*");
  expect(names.streams.state).toBe("fabric_state");
});

test("a key comes back from its subject, or from its header", () => {
  fc.assert(
    fc.property(names_, (key) => {
      const found = names.entry("state", key);
      expect(found.length).toBeLessThan(nameSubjectBytesMax + 64);
      expect(found).toMatch(subject);
      const header = nameHeaders(key)[nameHeader];
      expect(names.keyOf(found) ?? decodeToken(header as string)).toBe(key);
    }),
  );
});

test("a token comes back as it was", () => {
  fc.assert(
    fc.property(names_, (name) => {
      expect(decodeToken(encodeToken(name))).toBe(name);
      expect(boundedToken(name)).toMatch(subject);
      expect(boundedToken(name)).not.toContain(".");
      expect(boundedName(name)).toMatch(/^[A-Za-z0-9_@+=,~-]{1,600}$/);
    }),
  );
});

test("names that differ have subjects that differ", () => {
  const long = "x".repeat(1_000);
  const keys = [
    "",
    "/",
    "//",
    "a",
    "A",
    "a/",
    "/a",
    "a.b",
    "a/b",
    "%",
    "%2E",
    "é",
    long,
    `${long}y`,
  ];
  const subjects = [...keys, `${long}/a`, `${long}/b`].map((key) => names.entry("state", key));
  expect(new Set(subjects).size).toBe(keys.length + 2);
});

test("what a prefix finds has every key that begins with it", () => {
  const keys = fc.array(fc.constantFrom("a", "b/", "/", "é", ".", "x".repeat(200)), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(keys, fc.nat(12), (parts, length) => {
      const key = parts.join("").slice(0, 1_024);
      const prefix = parts.slice(0, length).join("").slice(0, 1_024);
      const filter = names.entries("state", prefix);
      expect(names.entry("state", key).startsWith(filter.slice(0, -1))).toBe(true);
      expect(filter).toMatch(/\.>$/);
    }),
  );
});

test("no wildcard of a topic meets a token that begins with _", () => {
  expect(names.topic("_inbox.a")).toBe("fabric.t1._inbox.a");
  expect(names.topic("a._b.*")).toBe("fabric.t2.a._b.*");
  expect(names.topic("a.>")).toBe("fabric.t.a.>");
  expect(names.topic("a.b_c")).toBe("fabric.t.a.b_c");
  for (const topic of ["_inbox.a", "a._b.c", "a.b"]) {
    expect(names.topicOf(names.topic(topic))).toBe(topic);
  }
});

test("a prefix that cannot name a stream is refused", () => {
  for (const prefix of ["", "a.b", "a b", ">", "x".repeat(65)]) {
    expect(() => new Names(prefix)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  }
});
