import { everySeedKeepsThePromises, seedsInAll } from "./seeds.ts";

everySeedKeepsThePromises(seedsInAll / 2, seedsInAll / 2);
