/** What agents promise, over a real Redis server: the tests of agents and networks as they are. */
import { agentSuitesAtServer } from "../../support/agent-suites.ts";

agentSuitesAtServer("redis");
