/** The store on D1, against the D1 that workerd has. */

import { D1Store } from "../../../src/magnetgen/forms/edge/store-d1.mjs";
import { openD1 } from "../hosts/d1.mjs";
import { suite } from "./suite.mjs";

suite("D1", async () => {
  const { db, close } = await openD1();
  return { store: new D1Store(db), another: async () => new D1Store(db), close };
});
