import assert from "node:assert/strict";
import { test } from "node:test";

import { reconnectDelay } from "../../static/js/lib/backoff.js";

test("the wait doubles from half a second and never exceeds five seconds", () => {
  const longest = [0, 1, 2, 3, 4, 5, 50, 5000].map((attempt) => reconnectDelay(attempt, 1));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000]);
});

test("chance spreads the wait over its upper half", () => {
  assert.equal(reconnectDelay(3, 0), 2000);
  assert.equal(reconnectDelay(3, 0.5), 3000);
  assert.equal(reconnectDelay(3, 1), 4000);
});
