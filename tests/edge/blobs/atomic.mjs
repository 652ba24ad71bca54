/**
 * Blobs in memory, with the one promise that matters: of many who write what is not there yet, one does. The server that
 * comes with the SDK does not keep it.
 *
 * `world` is shared by all who open it; each client may have trouble of its own: `before(operation, key, number)` may
 * wait or throw before anything happens, `after` once it has; what it throws is a lost answer, so setNew is "unclear".
 * `lag`: how many writes a list is behind, at random up to that.
 */

import { StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";

export function newWorld() {
  return { blobs: new Map(), past: [], operations: 0 };
}

export class Dead extends Error {}

export function openAtomic(world, { before = () => {}, after = () => {}, lag = 0, random = Math.random } = {}) {
  let number = 0;

  async function run(operation, key, work) {
    number += 1;
    world.operations += 1;
    const mine = number;
    await before(operation, key, mine);
    await null;
    const result = work();
    await after(operation, key, mine);
    return result;
  }

  function remember() {
    if (lag) world.past = [...world.past.slice(-lag), [...world.blobs.keys()]];
  }

  function keysAsListed() {
    const back = lag ? Math.floor(random() * (Math.min(lag, world.past.length) + 1)) : 0;
    return back ? world.past.at(-back) : [...world.blobs.keys()];
  }

  return {
    get: (key) => run("get", key, () => world.blobs.get(key) ?? null),
    async setNew(key, text) {
      try {
        return await run("setNew", key, () => {
          if (world.blobs.has(key)) return "taken";
          remember();
          world.blobs.set(key, text);
          return "written";
        });
      } catch (error) {
        if (error instanceof StoreUnavailable) return "unclear";
        throw error;
      }
    },
    set: (key, text) =>
      run("set", key, () => {
        remember();
        world.blobs.set(key, text);
      }),
    remove: (key) =>
      run("remove", key, () => {
        remember();
        world.blobs.delete(key);
      }),
    list: (prefix) => run("list", prefix, () => keysAsListed().filter((key) => key.startsWith(prefix))),
    folders: (prefix) =>
      run("folders", prefix, () => {
        const inside = keysAsListed().filter((key) => key.startsWith(prefix) && key.includes("/", prefix.length));
        return [...new Set(inside.map((key) => key.slice(prefix.length, key.indexOf("/", prefix.length))))];
      }),
    removeAll: () => run("removeAll", "", () => world.blobs.clear()),
  };
}
