/** Arbitrary messages: everything the limits allow, and nothing else. */

import type { Address } from "../../src/message/address.ts";
import type { Envelope } from "../../src/message/envelope.ts";
import { kinds, priorities } from "../../src/message/envelope-fields.ts";
import { fc } from "./properties.ts";

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function textOf(characters: string, maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength });
}

export const idArbitrary: fc.Arbitrary<string> = textOf(`${alphanumeric}._-/:@`, 128);

/** Of UTF-8 without control characters; 63 characters take at most 252 bytes. */
export const nameArbitrary: fc.Arbitrary<string> = fc
  .string({ unit: "binary", minLength: 1, maxLength: 63 })
  .filter((text) => !/\p{Cc}/u.test(text));

export const addressArbitrary: fc.Arbitrary<Address> = fc
  .tuple(fc.constantFrom("agent", "type", "skill", "all"), idArbitrary)
  .map(([kind, id]): Address => `${kind as "agent"}:${id}`);

export const tokenArbitrary: fc.Arbitrary<string> = textOf(`${alphanumeric}_-/:@`, 12);

export const topicArbitrary: fc.Arbitrary<string> = fc
  .array(tokenArbitrary, { minLength: 1, maxLength: 12 })
  .map((tokens) => tokens.join("."));

const headersArbitrary: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .uniqueArray(
    fc.tuple(
      textOf(`${alphanumeric}!#$%&'*+-.^_\`|~`, 40).filter((name) => name !== "__proto__"),
      fc.string({ unit: "binary", maxLength: 40 }).filter((text) => !/\p{Cc}/u.test(text)),
    ),
    { maxLength: 64, selector: ([name]) => name },
  )
  .map((pairs) => Object.fromEntries(pairs));

const number = fc.maxSafeNat();

export const envelopeArbitrary: fc.Arbitrary<Envelope> = fc.record(
  {
    id: idArbitrary,
    version: fc.constant("1.0.0"),
    kind: fc.constantFrom(...kinds.filter((kind) => kind !== undefined)),
    name: nameArbitrary,
    from: fc.record(
      { agent: idArbitrary, type: idArbitrary, instance: idArbitrary },
      { noNullPrototype: true },
    ),
    to: fc.array(addressArbitrary, { maxLength: 20 }),
    createdMs: number,
    priority: fc.constantFrom(...priorities),
    ttlMs: number,
    deadlineMs: number,
    timeoutMs: number,
    replyTo: topicArbitrary,
    correlationId: idArbitrary,
    conversationId: idArbitrary,
    workflowId: idArbitrary,
    causationId: idArbitrary,
    key: nameArbitrary,
    sequence: number,
    status: fc.constant("partial" as const),
    credit: number,
    hops: number,
    budget: number,
    path: fc.array(
      fc.record({ agent: idArbitrary, name: nameArbitrary }, { noNullPrototype: true }),
      { maxLength: 64 },
    ),
    trace: nameArbitrary,
    headers: headersArbitrary,
  },
  {
    requiredKeys: ["id", "version", "kind", "name", "from", "to", "createdMs", "priority"],
    noNullPrototype: true,
  },
);

/** Any payload: plain data with byte arrays anywhere inside, without -0, which JSON turns into 0. */
export const payloadArbitrary: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((double) => double + 0),
    fc.string({ unit: "binary" }),
    fc.uint8Array({ maxLength: 50 }),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(
      fc.string({ unit: "binary", maxLength: 10 }).filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 6, noNullPrototype: true },
    ),
  ),
})).value;
