import { serve } from "../harness/process.ts";
import { createMoleculerBroker, echoService, natsNode } from "../peers/moleculer.ts";

await serve(async () => {
  const [address = ""] = process.argv.slice(2);
  const broker = await createMoleculerBroker(natsNode("handler", address));
  broker.createService(echoService);
  await broker.start();
  return { close: () => broker.stop() };
});
