/** Requests to a leader that is not the leader any more. The election is told by the test, as servers do. */
import { connect } from "@nats-io/transport-node";
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import { NatsLink } from "../../../src/broker/nats/connection.ts";
import { natsSettings } from "../../../src/broker/nats/options.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());

/** A link in a fabric of which nobody answers to `subjects`, though somebody hears them. */
async function open(prefix: string, subjects: readonly string[]) {
  const servers = server?.url ?? "";
  const link = await NatsLink.open(natsSettings({ servers, prefix }));
  onTestFinished(() => link.close());
  link.leaders.listen(link.client);
  await link.flush();
  const cluster = await connect({ servers });
  onTestFinished(() => cluster.close());
  for (const subject of subjects) cluster.subscribe(subject, { callback: () => {} });
  await cluster.flush();
  const failed: string[] = [];
  const ask = (subject: string) =>
    link.requestOnce(subject, new Uint8Array(), { what: subject }).catch(({ code, message }) => {
      failed.push(subject);
      return `${code}: ${message}`;
    });
  const elect = (what: string) => cluster.publish(`$JS.EVENT.ADVISORY.${what}`);
  return { link, failed, ask, elect };
}

test("what a consumer's last leader was asked fails when there is another, and nothing else", async () => {
  const acknowledgements = ["a", "b"].map((name) => `$JS.ACK.leaders-1_work.${name}.1.1.1.1.0`);
  const { failed, ask, elect, link } = await open("leaders-1", acknowledgements);
  const [first, second] = acknowledgements as [string, string];
  void ask(second);
  const asked = ask(first);
  let changes = 0;
  link.leaders.watch("a", () => changes++);
  elect("CONSUMER.LEADER_ELECTED.leaders-1_work.a");
  expect(await asked).toMatch(/^INDETERMINATE: .*another leader was elected/);
  expect(failed).toEqual([first]);
  expect(changes).toBe(1);
});

test("what a stream's last leader was asked fails when there is another, and what clients ask one another does not", async () => {
  // The first is one that no server knows, and so leaves unanswered.
  const concerned = ["$JS.API.STREAM.UNKNOWN.leaders-2_state", "leaders-2.m.q.queue.1"];
  const others = ["$JS.API.STREAM.UNKNOWN.leaders-2_work", "leaders-2.n.c.client"];
  // Stored under other subjects, so that nobody answers for the stream.
  const { failed, ask, elect, link } = await open("leaders-2", others);
  const pending = others.map(ask);
  const silenced = await link.api<{ success: boolean }>("STREAM.DELETE.leaders-2_state");
  expect(silenced.success).toBe(true);
  const listener = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => listener.close());
  for (const subject of concerned) listener.subscribe(subject, { callback: () => {} });
  await listener.flush();
  const asked = concerned.map(ask);
  elect("STREAM.LEADER_ELECTED.leaders-2_state");
  for (const outcome of await Promise.all(asked)) expect(outcome).toMatch(/^INDETERMINATE/);
  expect(failed.toSorted()).toEqual(concerned.toSorted());
  expect(pending).toHaveLength(2);
});
