/** Processes in every role that are killed, or stopped for longer than their lease, while orders pass through them. */
import type { ChildProcess } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import type { Network } from "colloquy";
import { expect } from "vitest";
import { extent } from "../support/extent.ts";
import {
  kill,
  leaseMs,
  overAllPlaces,
  type ProcessCases,
  type ProcessFabric,
} from "../support/process-fabric.ts";

/** As the program sends. */
const orders = Array.from({ length: 60 }, (_, index) => index + 1);
/** So many steps of its work the victim has done when it is met. */
const stepsBefore = 8;

const cases: Record<string, (fabric: ProcessFabric) => Promise<void>> = {};
for (const role of ["worker", "coordinator", "sender"]) {
  for (const [title, meet] of [
    ["is killed", killAndReplace],
    ["stands still for longer than its lease", stopForAWhile],
  ] as const) {
    cases[`G2, G3: a ${role} that ${title} loses nothing, and nothing is done twice`] = (fabric) =>
      playThrough(fabric, role, meet);
  }
}

cases[
  "G2, G3: the server, or the owner of the directory, that is killed under load loses nothing, and nothing is done twice"
] = async (fabric) => {
  const owner = await fabric.start("owner-1", "owner");
  await playThrough(fabric, "sender", () => fabric.killCentre(owner));
};

overAllPlaces(cases satisfies ProcessCases, {
  program: "test/network/programs/role.ts",
  every: extent({ ci: 1, here: 7 }),
  everyOfDirectory: extent({ ci: 1, here: 7 }),
  timeoutMs: 120_000,
});

type Meet = (fabric: ProcessFabric, role: string, victim: ChildProcess) => Promise<void>;

async function playThrough(fabric: ProcessFabric, role: string, meet: Meet): Promise<void> {
  // Where they meet in a directory, this process owns it.
  const network = await fabric.join();
  await network.mailboxes.declare("type:coordinator");
  await network.mailboxes.declare("type:worker");
  const processes = new Map<string, ChildProcess>();
  for (const other of ["worker", "coordinator"]) {
    for (const id of [`${other}-1`, `${other}-2`]) {
      processes.set(id, await fabric.start(id, other));
    }
  }
  processes.set("sender-1", await fabric.start("sender-1", "sender"));
  // Whichever of them it is: one may do nearly everything.
  const busiest = () =>
    [...processes.keys()].find(
      (id) =>
        id.startsWith(role) &&
        fabric.told.filter((it) => it === `${id} works`).length >= stepsBefore,
    );
  await fabric.until(() => busiest() !== undefined);
  await meet(fabric, role, processes.get(busiest() as string) as ChildProcess);

  await fabric.until((told) => told.some((it) => it.endsWith("has sent all")));
  const allDone = { booked: orders.length, waiting: 0, dead: [] };
  await expect.poll(() => progress(network), { timeout: 90_000 }).toEqual(allDone);
  const ordered = await logged(network, "ordered");
  expect(ordered.map(orderOf).sort(byNumber)).toEqual(orders);
  expect((await logged(network, "booked")).sort(byNumber)).toEqual(orders);
}

async function killAndReplace(fabric: ProcessFabric, role: string, victim: ChildProcess) {
  await kill(victim);
  await fabric.start(`${role}-3`, role);
}

async function stopForAWhile(_: ProcessFabric, _role: string, victim: ChildProcess) {
  victim.kill("SIGSTOP");
  await pause(leaseMs * 1.5);
  victim.kill("SIGCONT");
}

async function progress(network: Network) {
  const { length: booked } = await logged(network, "booked");
  let waiting = 0;
  for (const mailbox of await network.mailboxes.list()) waiting += mailbox.waiting;
  const dead: unknown[] = [];
  for await (const { address, attempts, error } of network.dead.list()) {
    dead.push({ address, attempts, error });
  }
  return { booked, waiting, dead };
}

async function logged(network: Network, stream: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const { value } of network.log.read(stream)) values.push(value);
  return values;
}

function orderOf(value: unknown): number {
  const { order, weights } = value as { readonly order: number; readonly weights: unknown };
  expect(weights).toEqual([order * 2, order * 2]);
  return order;
}

function byNumber(one: unknown, other: unknown): number {
  return (one as number) - (other as number);
}
