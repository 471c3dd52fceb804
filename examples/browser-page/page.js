// The same library as in Node: the page is an agent like any other, and whoever may can ask it in turn.
import { isColloquyError, join } from "colloquy/browser";

const at = (id) => document.querySelector(`#${id}`);
const say = (line) => at("heard").append(`${line}\n`);

const url = new URLSearchParams(location.search).get("hub") ?? "ws://127.0.0.1:4480";
const net = await join(url);
const page = await net.agent("page", { type: "page" });

// Others may ask the page: colloquy request agent:page show '"..."' --url ws://127.0.0.1:4480
page.handle("show", (text) => {
  say(text);
  return `shown to ${navigator.userAgent}`;
});
await page.subscribe("news.>", (news, { topic }) => say(`${topic}: ${news}`));

at("question").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = new FormData(event.target).get("name");
  try {
    say(await page.request("agent:greeter", "greet", name, { timeoutMs: 5_000 }));
  } catch (error) {
    if (!isColloquyError(error)) throw error;
    say(`${error.code}: ${error.message}`);
  }
});

for await (const { kind } of net.statuses(new AbortController().signal)) {
  at("status").value = kind;
}
