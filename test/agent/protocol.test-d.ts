// Checked by the compiler only: what a contract says is what both sides get.
import {
  type Agent,
  type Context,
  command,
  event,
  protocol,
  type Receipt,
  request,
  stream,
} from "colloquy";
import { z } from "zod";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Fails to compile unless the two types are the same. */
function same<A, B>(_proof: Equal<A, B>): void {}

const Risk = protocol("risk", {
  assess: request({
    input: z.object({ symbol: z.string(), at: z.coerce.date() }),
    output: z.object({ score: z.number() }),
  }),
  narrate: stream({ input: z.string(), chunk: z.string(), output: z.number() }),
  archive: command({ input: z.object({ id: z.string() }), output: z.boolean() }),
  found: event({ data: z.object({ symbol: z.string() }) }),
  anything: request(),
});

export async function infersBothSides(agent: Agent): Promise<void> {
  const answer = await agent.request("agent:a", Risk.assess, { symbol: "ACME", at: "2026-01-01" });
  same<typeof answer, { score: number }>(true);

  const reply = agent.stream("agent:a", Risk.narrate, "go");
  for await (const chunk of reply) same<typeof chunk, string>(true);
  same<Awaited<typeof reply.result>, number>(true);

  const receipt = await agent.send("type:archive", Risk.archive, { id: "1" });
  same<typeof receipt, Receipt<boolean>>(true);
  const outcome = await receipt.settled();
  if (outcome.state === "done") same<typeof outcome.result, boolean>(true);
  else if (outcome.state !== "unknown") same<typeof outcome.error.message, string>(true);

  const several = await agent.send("all:archive", Risk.archive, { id: "1" });
  same<typeof several.receipts, readonly Receipt<boolean>[]>(true);

  const untyped = await agent.request("agent:a", "whatever", 1);
  same<typeof untyped, unknown>(true);
  const open = await agent.request("agent:a", Risk.anything, { any: "thing" });
  same<typeof open, unknown>(true);

  await agent.subscribe(Risk.found, (data, context) => {
    same<typeof data, { symbol: string }>(true);
    same<typeof context.topic, string>(true);
  });
  await agent.publish(Risk.found, { symbol: "ACME" });

  agent.serve(Risk, {
    assess: async (input) => {
      same<typeof input, { symbol: string; at: Date }>(true);
      return { score: 1 };
    },
    async *narrate(input) {
      same<typeof input, string>(true);
      yield "a";
      return 1;
    },
    archive: (input, context) => {
      same<typeof input, { id: string }>(true);
      context.send("type:archive", Risk.archive, { id: "2" });
      context.publish(Risk.found, { symbol: "X" });
      return true;
    },
  });

  const client = agent.client(Risk);
  const assessed = await client.assess({ symbol: "A", at: new Date() }, { to: "agent:a" });
  same<typeof assessed, { score: number }>(true);
  for await (const chunk of client.narrate("go")) same<typeof chunk, string>(true);
  same<ReturnType<typeof client.archive>, Promise<Receipt<boolean>>>(true);
  same<ReturnType<typeof client.found>, Promise<void>>(true);
}

export async function refusesWhatTheContractDoesNotSay(agent: Agent): Promise<void> {
  // @ts-expect-error: the input lacks a field
  await agent.request("agent:a", Risk.assess, { symbol: "ACME" });
  // @ts-expect-error: not an address
  await agent.request("nowhere", Risk.anything, 1);
  // @ts-expect-error: a stream is not asked with request
  await agent.request("agent:a", Risk.narrate, "go");
  // @ts-expect-error: an event has no receiver
  await agent.send("agent:a", Risk.found, { symbol: "A" });
  // @ts-expect-error: the answer has another shape
  agent.handle(Risk.assess, async () => ({ points: 1 }));
  // @ts-expect-error: an event has no implementation
  agent.serve(Risk, { found: () => {} });
  // @ts-expect-error: no such strategy
  await agent.request("type:a", "x", 1, { strategy: "random" });
  // @ts-expect-error: a request goes to one agent
  agent.client(Risk).assess({ symbol: "A", at: new Date() }, { to: "all:risk" });
}

export function batchesAreTyped(agent: Agent): void {
  agent.handle(
    Risk.assess,
    (inputs, contexts) => {
      same<typeof inputs, readonly { symbol: string; at: Date }[]>(true);
      same<typeof contexts, readonly Context[]>(true);
      return inputs.map(({ symbol }) => (symbol === "" ? new Error("no symbol") : { score: 1 }));
    },
    { batch: { sizeMax: 10 } },
  );
  // @ts-expect-error: a batch has results, not one
  agent.handle(Risk.assess, () => ({ score: 1 }), { batch: true });
  // @ts-expect-error: a score is a number
  agent.handle(Risk.assess, (inputs) => inputs.map(() => ({ score: "high" })), { batch: true });
  // @ts-expect-error: a stream is not answered in batches
  agent.handle(Risk.narrate, async (inputs) => inputs, { batch: true });
}
