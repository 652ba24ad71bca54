/**
 * The handler as Netlify's function over the Blobs server that comes with the SDK, with its test hooks on, in one process.
 *
 *     MAGNETGEN_TEST=1 MAGNETGEN_SITE=FOLDER node blobs.mjs [PORT]
 */


import { netlifyOf, opened, withUploads } from "../../../src/magnetgen/forms/edge/netlify.mjs";
import { createRuntime } from "../../../src/magnetgen/forms/edge/runtime.mjs";
import { BlobStore } from "../../../src/magnetgen/forms/edge/store-blobs.mjs";
import { testApp } from "../../../src/magnetgen/forms/edge/testing.mjs";
import { folderAssets, serve, services } from "./parts.mjs";
import { startBlobs } from "../blobs/server.mjs";

const blobs = await startBlobs();
process.env.NETLIFY_BLOBS_CONTEXT = blobs.context;

const recipes = await services();
const folder = folderAssets(process.env.MAGNETGEN_SITE ?? ".");
const app = netlifyOf((env, name) => {
  const own = { assets: withUploads(folder, opened("magnetgen-assets")), services: recipes };
  return testApp({ makeRuntime: (parts) => createRuntime({ ...own, ...parts }), store: new BlobStore(opened(name)), env });
});
const server = serve((request, { client }) => app.handle(request, { ip: client, deploy: { context: "dev" } }), process.argv[2] ?? 0);
server.once("close", () => blobs.stop());
