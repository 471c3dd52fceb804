/** The Redis broker over real servers: every case. */
import { conformAtServer } from "./support/conform.ts";

await conformAtServer("redis");
