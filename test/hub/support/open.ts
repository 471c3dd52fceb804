/** Opens the directory that it is given and prints how that ended, as JSON. */
import { errorInfo } from "../../../src/errors.ts";
import { openEmbedded } from "../../../src/hub/embedded.ts";

const [directory = ""] = process.argv.slice(2);
try {
  const broker = await openEmbedded(directory, { openTimeoutMs: 2_000 });
  console.log(JSON.stringify({ owner: broker.owner }));
  await broker.close();
} catch (error) {
  console.log(JSON.stringify(errorInfo(error)));
}
