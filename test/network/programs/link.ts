// A process of the fabric: joins the place of the URL argv[2] with one agent named argv[3]. It hangs, passes
// on, counts and asks as it is told, and tells its parent what its handlers go through.
import { type Address, join } from "colloquy";

const [, , url = "", id = ""] = process.argv;
const net = await join(url);
const agent = await net.agent(id, { type: "link", capacity: 50 });

const tell = (what: string) => process.send?.(`${id} ${what}`);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

agent.handle("pid", () => process.pid);
agent.handle("hang", async (_input, { signal, store }) => {
  store.put(`hung/${id}`, true);
  tell("started");
  try {
    await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
  } finally {
    await wait(10);
    tell("cleaned up");
  }
});
agent.handle("pass", async (route, { request }) => {
  const [next, ...rest] = route as Address[];
  try {
    return await (rest.length === 0
      ? request(next as Address, "hang")
      : request(next as Address, "pass", rest));
  } finally {
    tell("cleaned up");
  }
});
agent.handle(
  "count",
  async function* (last, { resumeFrom }) {
    tell(`counts from ${resumeFrom}`);
    for (let n = resumeFrom + 1; n <= (last as number); n++) {
      await wait(5);
      yield n;
    }
    return "counted";
  },
  { resumable: true },
);
agent.handle("endless", async function* () {
  for (let n = 1; ; n++) {
    await wait(5);
    yield n;
  }
});
process.on("message", (to) => {
  agent.request(to as Address, "hang").catch(() => {});
});
await agent.ready();
process.send?.("ready");
