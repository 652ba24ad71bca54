/** The store on blobs, over blobs that keep the one promise that it needs; with lists that lag behind, too. */

import { BlobStore } from "../../../src/magnetgen/forms/edge/store-blobs.mjs";
import { newWorld, openAtomic } from "../blobs/atomic.mjs";
import { suite } from "./suite.mjs";

const world = newWorld();
const open = () => new BlobStore(openAtomic(world));
suite("blobs", async () => ({ store: open(), another: async () => open(), close: async () => {} }), open().promises);
