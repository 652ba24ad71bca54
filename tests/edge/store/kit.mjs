/** What the suite shares with the stores. */

export { StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";
export { QUARANTINE_MS } from "../../../src/magnetgen/forms/edge/d1-rows.mjs";
