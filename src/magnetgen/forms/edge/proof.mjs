/**
 * Proof of work: a puzzle that a page's script makes and solves by itself, and one hash that judges the solution. What
 * a solution is, proof.py says.
 */

import { createHash } from "node:crypto";

import { count } from "./records.mjs";
import { lengthOf, utf8 } from "./text.mjs";

export const VERSION = "mg1";
export const LENGTH_MAX = 512;

/** Seconds by which a puzzle may be old, and a visitor's clock be fast. */
export const [PAST, AHEAD] = [3600, 300];
export const BUCKET = "pow";

const SHAPE = /^mg1\/([1-9][0-9]?)\/([^/]+)\/([^/]+)\/(0|[1-9][0-9]{0,11})\/([0-9a-z]{16,64})\/(0|[1-9][0-9]{0,14})$/;

/** Whether it solves a puzzle of this challenge, and is fresh. `now`: seconds. It may still be spent. */
export function isRight(challenge, solution, now) {
  const match = lengthOf(solution) <= LENGTH_MAX ? SHAPE.exec(solution) : null;
  if (!match) return false;
  const [bits, action, hostname, time, second] = [+match[1], match[2], match[3], +match[4], Math.trunc(now)];
  if (action !== challenge.action || hostname !== challenge.hostname || bits < challenge.bits) return false;
  return second - PAST <= time && time <= second + AHEAD && zeroBits(solution) >= bits;
}

/** How many bits of its hash are zero before the first that is not. */
export function zeroBits(solution) {
  const digest = hash(solution).digest();
  const first = digest.findIndex((byte) => byte !== 0);
  return first < 0 ? 256 : first * 8 + Math.clz32(digest[first]) - 24;
}

/** The window that counts a right solution. */
export function countOf(solution) {
  const time = Number(solution.split("/")[4]);
  return count(BUCKET, hash(solution).digest("hex").slice(-32), 1, (time + PAST + AHEAD) * 1000);
}

function hash(solution) {
  return createHash("sha256").update(utf8(solution));
}
