/** The store in memory. */

import { memoryStore } from "../../../src/magnetgen/forms/edge/store-memory.mjs";
import { suite } from "./suite.mjs";

suite("memory", async () => {
  const store = memoryStore();
  return { store, another: async () => store, close: () => store.close() };
});
