import { describe, expect, test } from "vitest";
import type { Link } from "../../src/link/link.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { MemoryNetwork, type MemoryNetworkOptions } from "../../src/testing/memory-network.ts";
import type { Conditions } from "../../src/testing/memory-pipe.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "../support/properties.ts";

const unreachable = { code: "AGENT_UNREACHABLE" };
const never = new AbortController().signal;

interface Setup {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly accepted: Link[];
}

function setUp(conditions: Conditions = {}, options: Partial<MemoryNetworkOptions> = {}): Setup {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  return {
    clock,
    network: new MemoryNetwork({ clock, random, conditions, ...options }),
    accepted: [],
  };
}

async function connect({ clock, network, accepted }: Setup): Promise<[Link, Link]> {
  await network.listen("hub", (link) => accepted.push(link));
  const client = await clock.until(network.connect("hub")(never));
  return [client, accepted[0] as Link];
}

async function readAll(link: Link): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of link.receive()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What has been read so far, without waiting for the end. */
function reader(link: Link): { readonly chunks: Uint8Array[]; readonly ended: Promise<unknown> } {
  const chunks: Uint8Array[] = [];
  const read = async () => {
    for await (const chunk of link.receive()) chunks.push(chunk);
    return "end";
  };
  return { chunks, ended: read().catch((error: unknown) => error) };
}

const bytes = (text: string) => Buffer.from(text);
const text = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks).toString();

describe("a link", () => {
  test("carries bytes both ways, each after its latency, in order", async () => {
    const setup = setUp({ latencyMs: 10 });
    setup.network.setConditions("hub", "client", { latencyMs: 40 });
    const [client, server] = await connect(setup);
    expect(setup.clock.monotonicMs()).toBe(50);
    expect([client.peer, server.peer]).toEqual(["hub", "client"]);
    const atServer = reader(server);
    const atClient = reader(client);
    client.send(bytes("one "));
    client.send(bytes("two"));
    server.send(bytes("three"));
    await setup.clock.advance(9);
    expect(text(atServer.chunks)).toBe("");
    await setup.clock.advance(1);
    expect(text(atServer.chunks)).toBe("one two");
    expect(text(atClient.chunks)).toBe("");
    await setup.clock.advance(30);
    expect(text(atClient.chunks)).toBe("three");
  });

  test("whatever the conditions, what is read is what was sent", async () => {
    const conditions = fc.record({
      latencyMs: fc.oneof(fc.nat(20), fc.constant({ min: 0, max: 30 })),
      bytesPerMs: fc.double({ min: 0.5, max: 1_000, noNaN: true }),
      chunks: fc.constantFrom("as-sent" as const, "anywhere" as const, "bytes" as const),
    });
    const sent = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(conditions, sent, async (chosen, chunks) => {
        const setup = setUp(chosen, { windowBytes: 64, highWaterBytes: 100 });
        const [client, server] = await connect(setup);
        const reading = readAll(server);
        const writing = async () => {
          for (const chunk of chunks) if (!client.send(chunk)) await client.drained();
          await client.close();
        };
        await setup.clock.until(Promise.all([writing(), reading]), 1e9);
        expect(Buffer.from(await reading).equals(Buffer.concat(chunks))).toBe(true);
        expect(setup.network.linkCount).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("can be cut after every byte", async () => {
    const setup = setUp({ chunks: "bytes" });
    const [client, server] = await connect(setup);
    const { chunks } = reader(server);
    client.send(bytes("abc"));
    await setup.clock.settle();
    expect(chunks.map((chunk) => chunk.length)).toEqual([1, 1, 1]);
  });

  test("takes as long as its bandwidth needs", async () => {
    const setup = setUp({ bytesPerMs: 10, latencyMs: 5 });
    const [client, server] = await connect(setup);
    const { chunks } = reader(server);
    const startMs = setup.clock.monotonicMs();
    client.send(new Uint8Array(100));
    client.send(new Uint8Array(50));
    await setup.clock.advance(15);
    expect(chunks).toHaveLength(1);
    await setup.clock.run();
    expect(chunks).toHaveLength(2);
    expect(setup.clock.monotonicMs() - startMs).toBe(20);
  });

  test("nothing arrives within the call that sends it", async () => {
    const setup = setUp();
    const [client, server] = await connect(setup);
    const { chunks } = reader(server);
    client.send(bytes("x"));
    await Promise.resolve();
    expect(chunks).toEqual([]);
    await setup.clock.settle();
    expect(text(chunks)).toBe("x");
  });
});

describe("a reader that does not read", () => {
  test("holds the sender back until it reads again", async () => {
    const setup = setUp({}, { windowBytes: 10, highWaterBytes: 20 });
    const [client, server] = await connect(setup);
    let drained = false;
    const sent = Array.from({ length: 4 }, () => client.send(new Uint8Array(10)));
    expect(sent).toEqual([true, true, false, false]);
    void client.drained().then(() => {
      drained = true;
    });
    await setup.clock.advance(1_000);
    expect(client.send(new Uint8Array(10))).toBe(false);
    expect(drained).toBe(false);
    const { chunks } = reader(server);
    await setup.clock.settle();
    expect(drained).toBe(true);
    expect(chunks).toHaveLength(5);
  });
});

describe("the end", () => {
  test("comes after the last byte, and nothing comes after it", async () => {
    const setup = setUp({ latencyMs: 10 });
    const [client, server] = await connect(setup);
    const atServer = reader(server);
    const atClient = reader(client);
    client.send(bytes("last"));
    server.send(bytes("never read"));
    await client.close();
    await client.close();
    expect(client.send(bytes("late"))).toBe(true);
    await setup.clock.run();
    expect(text(atServer.chunks)).toBe("last");
    await expect(atServer.ended).resolves.toBe("end");
    await expect(atClient.ended).resolves.toBe("end");
    expect(atClient.chunks).toEqual([]);
    await server.close();
    expect(setup.network.linkCount).toBe(0);
  });

  test("of both sides at once is an orderly end at both", async () => {
    const setup = setUp({ latencyMs: 10 });
    const [client, server] = await connect(setup);
    const ends = [reader(client).ended, reader(server).ended];
    await Promise.all([client.close(), server.close()]);
    await setup.clock.run();
    await expect(Promise.all(ends)).resolves.toEqual(["end", "end"]);
    expect(setup.network.linkCount).toBe(0);
  });

  test("a cut loses what was on its way, and both sides learn of it", async () => {
    const setup = setUp({ latencyMs: 10 });
    const [client, server] = await connect(setup);
    const atServer = reader(server);
    const atClient = reader(client);
    client.send(bytes("arrives"));
    await setup.clock.advance(10);
    client.send(bytes("lost"));
    setup.network.cut("client");
    await setup.clock.run();
    expect(text(atServer.chunks)).toBe("arrives");
    await expect(atServer.ended).resolves.toMatchObject(unreachable);
    await expect(atClient.ended).resolves.toMatchObject(unreachable);
    expect(setup.network.linkCount).toBe(0);
    await client.drained();
  });

  test("breaking off one end breaks the other, also after a close", async () => {
    const setup = setUp({ latencyMs: 10 });
    const [client, server] = await connect(setup);
    const { chunks, ended } = reader(server);
    client.send(bytes("lost"));
    await client.close();
    client.destroy();
    client.destroy();
    await setup.clock.run();
    expect(chunks).toEqual([]);
    await expect(ended).resolves.toMatchObject(unreachable);
  });

  test("a reader that leaves its loop breaks the link", async () => {
    const setup = setUp();
    const [client, server] = await connect(setup);
    const { ended } = reader(client);
    client.send(bytes("x"));
    const leave = async () => {
      for await (const _ of server.receive()) break;
    };
    await setup.clock.until(leave());
    await expect(ended).resolves.toMatchObject(unreachable);
  });
});

describe("a partition", () => {
  test("is silence in the blocked direction only, and what waited arrives when it heals", async () => {
    const setup = setUp({ latencyMs: 5 });
    const [client, server] = await connect(setup);
    const atServer = reader(server);
    const atClient = reader(client);
    setup.network.block("client", "hub");
    client.send(bytes("held "));
    server.send(bytes("passes"));
    await setup.clock.advance(60_000);
    client.send(bytes("back"));
    expect(text(atServer.chunks)).toBe("");
    expect(text(atClient.chunks)).toBe("passes");
    setup.network.heal();
    await setup.clock.advance(5);
    expect(text(atServer.chunks)).toBe("held back");
  });

  test("of a host that is stopped holds the end of a link back, whose other host is gone meanwhile", async () => {
    const setup = setUp({ latencyMs: 5 });
    const [client, server] = await connect(setup);
    const { chunks, ended } = reader(client);
    setup.network.stop("client");
    server.send(bytes("farewell"));
    await server.close();
    setup.network.breakEnds("hub");
    await setup.clock.advance(60_000);
    expect(setup.network.linkCount).toBe(1);
    setup.network.go("client");
    expect(await setup.clock.until(ended)).toBe("end");
    expect(text(chunks)).toBe("farewell");
    expect(setup.network.linkCount).toBe(0);
  });

  test("holds an orderly end back as well", async () => {
    const setup = setUp();
    const [client, server] = await connect(setup);
    const { chunks, ended } = reader(server);
    setup.network.block("client", "hub");
    client.send(bytes("held"));
    await client.close();
    await setup.clock.advance(1_000);
    expect(chunks).toEqual([]);
    setup.network.heal();
    await setup.clock.settle();
    await expect(ended).resolves.toBe("end");
    expect(text(chunks)).toBe("held");
  });

  test("lets nobody connect until it heals or the caller gives up", async () => {
    const setup = setUp();
    await setup.network.listen("hub", (link) => setup.accepted.push(link));
    setup.network.block("client", "hub");
    const patient = setup.network.connect("hub")(never);
    const controller = new AbortController();
    const impatient = setup.network.connect("hub")(controller.signal);
    await setup.clock.advance(1_000);
    expect(setup.accepted).toEqual([]);
    controller.abort();
    await expect(impatient).rejects.toMatchObject({ code: "CANCELLED" });
    setup.network.heal();
    const link = await setup.clock.until(patient);
    expect(link.peer).toBe("hub");
    expect(setup.accepted).toHaveLength(1);
  });
});

describe("listening", () => {
  test("an address has one listener, and closing it keeps the links", async () => {
    const setup = setUp();
    const { network, clock } = setup;
    const listener = await network.listen("hub", (link) => setup.accepted.push(link));
    await expect(network.listen("hub", () => {})).rejects.toMatchObject(unreachable);
    const client = await clock.until(network.connect("hub", "alpha")(never));
    await listener.close();
    await expect(clock.until(network.connect("hub")(never))).rejects.toMatchObject(unreachable);
    const [server] = setup.accepted as [Link];
    expect(server.peer).toBe("alpha");
    const { chunks } = reader(server);
    client.send(bytes("still here"));
    await clock.settle();
    expect(text(chunks)).toBe("still here");
    await network.listen("hub", () => {});
    await listener.close();
    await expect(clock.until(network.connect("hub")(never))).resolves.toBeDefined();
  });

  test("a caller that gives up on the way leaves no link behind", async () => {
    const setup = setUp({ latencyMs: 10 });
    await setup.network.listen("hub", (link) => setup.accepted.push(link));
    const controller = new AbortController();
    const connecting = setup.network.connect("hub")(controller.signal);
    const outcome = expect(connecting).rejects.toMatchObject({ code: "CANCELLED" });
    await setup.clock.advance(15);
    const { ended } = reader(setup.accepted[0] as Link);
    controller.abort();
    await outcome;
    await expect(ended).resolves.toMatchObject(unreachable);
    expect(setup.network.linkCount).toBe(0);
    const late = setup.network.connect("hub")(AbortSignal.abort());
    await expect(late).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

test("one seed replays to the byte and the millisecond", async () => {
  const run = async () => {
    const setup = setUp({ latencyMs: { min: 0, max: 9 }, chunks: "anywhere" });
    const [client, server] = await connect(setup);
    const trace: string[] = [];
    const read = async () => {
      for await (const chunk of server.receive()) {
        trace.push(`${setup.clock.monotonicMs()} ${chunk.length}`);
      }
    };
    const reading = read();
    for (let sent = 0; sent < 20; sent++) {
      client.send(new Uint8Array(700));
      await setup.clock.advance(1);
    }
    await client.close();
    await setup.clock.until(reading);
    return trace;
  };
  const first = await run();
  expect(first.length).toBeGreaterThan(20);
  expect(await run()).toEqual(first);
});
