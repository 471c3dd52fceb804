import type { ScenarioEvent } from "./events.ts";
import type { Payload } from "./orders.ts";
import type { ProcessContext } from "./process.ts";

/** Reads in the end what became of everything: from a process that had no part in it. */
export async function takeStock(process: ProcessContext<ScenarioEvent>): Promise<void> {
  const net = await process.join();
  const receipts = process.history.flatMap((event) =>
    event.kind === "acknowledged" ? [event] : [],
  );
  const settling = [...new Map(receipts.map((it) => [it.id, it])).values()].map(
    async ({ id, receipt }) => {
      const { state } = await net.track(receipt).settled();
      process.record({ kind: "settled", id, state });
    },
  );
  await Promise.all(settling);
  // Of what was stored and not acknowledged nobody has a receipt.
  for (;;) {
    const mailboxes = await net.mailboxes.list();
    const waiting = mailboxes.reduce((sum, mailbox) => sum + mailbox.waiting, 0);
    if (waiting === 0) break;
    await process.sleep(50);
  }
  for await (const { value } of net.log.read("ledger")) {
    process.record({ kind: "effect", ...(value as { id: string; attempt: number }) });
  }
  for await (const { id: letter, payload } of net.dead.list()) {
    process.record({ kind: "dead-letter", id: (payload as Payload).id, letter });
  }
}
