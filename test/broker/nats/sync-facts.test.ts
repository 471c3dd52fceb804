/** How the servers write is read where it may be, and else nothing is claimed of it. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { NatsLink } from "../../../src/broker/nats/connection.ts";
import { type NatsSystemOptions, natsSettings } from "../../../src/broker/nats/options.ts";
import { durabilityOf } from "../../../src/broker/nats/probe.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { NatsServer, type NatsServerSettings } from "../../support/servers/nats.ts";

/** As scripts/brokers/nats.conf has them. */
const accounts = `
  accounts {
    COLLOQUY {
      jetstream: enabled
      users: [ { user: colloquy, password: colloquy } ]
      imports: [ { service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ" } } ]
    }
    SYS {
      users: [ { user: sys, password: sys } ]
      exports: [ { service: "$SYS.REQ.SERVER.PING.JSZ", response: stream } ]
    }
  }
  system_account: SYS
  no_auth_user: colloquy`;

/** @returns what a connection that is made now claims. A server that answers late is as one that does not. */
async function claimsOf(settings: NatsServerSettings, system?: NatsSystemOptions) {
  const server = await NatsServer.start(settings);
  onTestFinished(() => server.remove());
  const monitored = system?.monitor === undefined ? system : { monitor: server.monitorUrl };
  const options = {
    servers: server.url,
    ...(monitored === undefined ? {} : { system: monitored }),
  };
  return async () => {
    const link = await NatsLink.open(natsSettings(options));
    const claim = durabilityOf(link.facts);
    await link.close();
    return claim;
  };
}

test("an account that imports the question is told", async () => {
  const claim = await claimsOf({ more: accounts });
  await expect.poll(claim).toMatchObject({
    level: "os",
    verified: true,
    evidence: { sync_interval: "always" },
  });
});

test("an account that imports the question is told that it is not so, too", async () => {
  const claim = await claimsOf({ more: accounts, syncInterval: undefined });
  await expect
    .poll(claim)
    .toMatchObject({ level: "process", evidence: { sync_interval: "not always" } });
});

test("an account that may not ask claims no more than is certain", async () => {
  const claim = await (await claimsOf({}))();
  expect(claim).toMatchObject({ level: "process", verified: false });
  expect(claim.evidence["sync_interval"]).toMatch(/^unknown: the account may not ask/);
});

test("a user of the system account is told", async () => {
  const claim = await claimsOf({ more: accounts }, { user: "sys", pass: "sys" });
  await expect.poll(claim).toMatchObject({ level: "os", verified: true });
});

test("the monitoring port tells", async () => {
  const claim = await claimsOf({}, { monitor: "as started" });
  await expect.poll(claim).toMatchObject({ level: "os", verified: true });
});

test("who has been told by all that keep the streams, or may not ask, waits for nobody else", async () => {
  const clock = { ...systemClock, setTimer: () => ({ cancel: () => {} }) };
  for (const [more, verified] of [
    [accounts, true],
    ["", false],
  ] as const) {
    const server = await NatsServer.start({ more });
    onTestFinished(() => server.remove());
    const link = await NatsLink.open(natsSettings({ servers: server.url, clock }));
    onTestFinished(() => link.close());
    expect(durabilityOf(link.facts).verified).toBe(verified);
  }
});

test("a monitoring port that is none, or does not answer, holds nobody up for long", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  for (const monitor of [`http://127.0.0.1:${port}`, "http://127.0.0.1:1", "nonsense"]) {
    const link = await NatsLink.open(natsSettings({ servers: server.url, system: { monitor } }));
    onTestFinished(() => link.close());
    const { verified, evidence } = durabilityOf(link.facts);
    expect(verified).toBe(false);
    expect(evidence["sync_interval"]).toContain(`unknown: the monitoring port ${monitor}: `);
  }
});
