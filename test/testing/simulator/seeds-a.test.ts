import { everySeedKeepsThePromises } from "./seeds.ts";

everySeedKeepsThePromises(0, 500);
