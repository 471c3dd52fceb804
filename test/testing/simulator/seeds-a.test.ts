import { everySeedKeepsThePromises, seedsInAll } from "./seeds.ts";

everySeedKeepsThePromises(0, seedsInAll / 2);
