/**
 * The handler in Node with its test hooks on, over a store in memory.
 *
 *     MAGNETGEN_TEST=1 MAGNETGEN_SITE=FOLDER node node.mjs [PORT]
 */

import { createRuntime } from "../../../src/magnetgen/forms/edge/runtime.mjs";
import { memoryStore } from "../../../src/magnetgen/forms/edge/store-memory.mjs";
import { testApp } from "../../../src/magnetgen/forms/edge/testing.mjs";
import { folderAssets, serve, services } from "./parts.mjs";

const own = { assets: folderAssets(process.env.MAGNETGEN_SITE ?? "."), services: await services() };
const app = testApp({ makeRuntime: (parts) => createRuntime({ ...own, ...parts }), store: memoryStore() });
serve(app.respond, process.argv[2] ?? 0);
