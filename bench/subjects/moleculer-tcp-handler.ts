import { serve } from "../harness/process.ts";
import { createMoleculerBroker, echoService, tcpNode } from "../peers/moleculer.ts";

await serve(async () => {
  const [requester, handler] = process.argv.slice(2).map(Number);
  if (requester === undefined || handler === undefined) throw new Error("usage: PORT PORT");
  const broker = await createMoleculerBroker(tcpNode("handler", { requester, handler }));
  broker.createService(echoService);
  await broker.start();
  return { close: () => broker.stop() };
});
