import assert from "node:assert/strict";
import { test } from "node:test";

import { PictureLadder } from "../../static/js/lib/picture-ladder.js";

/** The frame rates and scales after each of `seconds` at an estimate. */
function ride(ladder, estimate_bps, from_s, seconds) {
  const seen = [];
  for (let second = 0; second < seconds; second += 0.5) {
    ladder.update(estimate_bps, (from_s + second) * 1000);
    const { maxFramerate, scaleResolutionDownBy } = ladder.encoding;
    seen.push(`${maxFramerate}/${scaleResolutionDownBy}`);
  }
  return [...new Set(seen)];
}

test("a thin way costs frames first and size only when it is very thin", () => {
  const ladder = new PictureLadder();
  assert.deepEqual(ride(ladder, 1_500_000, 0, 5), ["30/1"]);
  assert.deepEqual(ride(ladder, 400_000, 10, 5), ["30/1", "15/1"]);
  assert.deepEqual(ride(ladder, 200_000, 20, 5), ["15/1", "12/1.5"]);
  assert.deepEqual(ride(ladder, 90_000, 30, 5), ["12/1.5", "8/2"]);
});

test("a dip of a second changes nothing", () => {
  const ladder = new PictureLadder();
  ride(ladder, 1_500_000, 0, 2);
  assert.deepEqual(ride(ladder, 100_000, 2, 1), ["30/1"]);
  assert.deepEqual(ride(ladder, 1_500_000, 3, 2), ["30/1"]);
  assert.deepEqual(ride(ladder, 100_000, 5, 1), ["30/1"]);
});

test("the way up waits until the way carries clearly more for a while", () => {
  const ladder = new PictureLadder();
  ride(ladder, 90_000, 0, 5);
  assert.deepEqual(ride(ladder, 190_000, 10, 30), ["8/2"]);
  assert.deepEqual(ride(ladder, 500_000, 40, 4), ["8/2"]);
  assert.ok(ladder.isReduced);
  assert.deepEqual(ride(ladder, 500_000, 44, 4), ["15/1"]);
  assert.deepEqual(ride(ladder, 3_000_000, 50, 10), ["15/1", "30/1"]);
  assert.ok(!ladder.isReduced);
});
