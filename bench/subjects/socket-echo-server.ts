import { once } from "node:events";
import { createServer } from "node:net";
import { serve } from "../harness/process.ts";

await serve(async () => {
  const [path] = process.argv.slice(2);
  const server = createServer((socket) => {
    socket.on("data", (chunk) => socket.write(chunk));
  }).listen(path);
  await once(server, "listening");
  return {
    close: async () => {
      server.close();
    },
  };
});
