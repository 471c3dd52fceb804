// A process of the fabric: joins the place of the URL argv[2] with one agent named argv[3], in the role
// argv[4]: a sender of orders, a coordinator that has each weighed and books it, a worker, or nothing of these.
import { type Context, join } from "colloquy";

const [, , url = "", id = "", role = ""] = process.argv;
const net = await join(url);
const agent = await net.agent(id, { type: role, capacity: 4 });

const orders = 60;
/** Whoever is asked may be killed a few times. */
const patient = { retry: { attemptsMax: 20, baseMs: 20, capMs: 200 } } as const;

const tell = (what: string) => process.send?.(`${id} ${what}`);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

if (role === "worker") {
  agent.handle("weigh", async (order) => {
    await wait(5);
    return (order as number) * 2;
  });
  const book = async (order: unknown, { log }: Context) => {
    tell("works");
    await wait(20);
    log.append("booked", order);
  };
  agent.handle("BOOK", book, patient);
}

if (role === "coordinator") {
  agent.handle(
    "ORDER",
    async (order, context) => {
      tell("works");
      const parts = [order, order].map((part) =>
        context.request("type:worker", "weigh", part, { retry: true, idempotent: true }),
      );
      // Where nobody knows what has become of a request, its error is the handler's last word on the order:
      // weighing may be repeated, so it is made one that is not.
      const weights = await Promise.all(parts).catch((cause: unknown) => {
        throw new Error("not weighed", { cause });
      });
      context.log.append("ordered", { order, weights });
      context.send("type:worker", "BOOK", order);
    },
    patient,
  );
}

await agent.ready();
process.send?.("ready");

if (role === "sender") {
  const sendWindow = 4;
  let next = 1;
  const sendOn = async () => {
    while (next <= orders) {
      const order = next++;
      const once = { guarantee: "exactly-once", id: `order-${order}` } as const;
      await agent.send("type:coordinator", "ORDER", order, once);
      tell("works");
    }
  };
  await Promise.all(Array.from({ length: sendWindow }, sendOn));
  tell("has sent all");
}
