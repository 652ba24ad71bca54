/** The store in memory that tests use: it must promise what the others do. */

import { memoryStore } from "../../../src/magnetgen/forms/edge/store-memory.mjs";
import { suite } from "./suite.mjs";

suite("memory", async () => {
  const store = memoryStore();
  return { store, another: async () => store, close: async () => {} };
});
