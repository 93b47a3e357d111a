import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { EVERY_MS, LocationShare } from "../../static/js/lib/location-share.js";
import { locationWords } from "../../static/js/lib/location-words.js";

const POSITION = { coords: { latitude: 37.5878, longitude: 118.5473, accuracy: 12 }, timestamp: Date.UTC(2026, 2, 1, 2) };
const FIX = { lat: 37.5878, lon: 118.5473, accuracy_m: 12, taken_at: "2026-03-01T02:00:00.000Z", permission: "granted" };
const permissions = { query: async () => ({ state: "granted" }) };

function phone({ error = null, send = async () => {} } = {}) {
  const sent = [];
  const geolocation = {
    asked: 0,
    getCurrentPosition(done, failed) {
      this.asked += 1;
      if (error) failed(error);
      else done(POSITION);
    },
  };
  const share = new LocationShare({ geolocation, permissions, send: async (message) => { sent.push(message); await send(message); } });
  return { share, sent, geolocation };
}

const settle = async () => { for (let i = 0; i < 20; i += 1) await Promise.resolve(); };

test("the position is told at once and then about every minute, with accuracy and the state of the permission", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { share, sent } = phone();
  assert.equal(await share.start(), "on");
  assert.deepEqual(sent, [{ type: "location", ...FIX }]);
  mock.timers.tick(EVERY_MS);
  await settle();
  assert.equal(sent.length, 2);
  share.stop();
  mock.timers.tick(EVERY_MS * 3);
  await settle();
  assert.equal(sent.length, 2);
  assert.equal(share.state, "off");
  mock.timers.reset();
});

test("a refusal is final until the person asks again", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { share, sent, geolocation } = phone({ error: { code: 1 } });
  assert.equal(await share.start(), "denied");
  mock.timers.tick(EVERY_MS * 2);
  await settle();
  assert.equal(geolocation.asked, 1);
  assert.equal(sent.length, 0);
  await share.start();
  assert.equal(geolocation.asked, 2);
  mock.timers.reset();
});

test("a phone that finds nothing now is asked again, and so is a network that was away", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const nowhere = phone({ error: { code: 3 } });
  assert.equal(await nowhere.share.start(), "unavailable");
  mock.timers.tick(EVERY_MS);
  await settle();
  assert.equal(nowhere.geolocation.asked, 2);
  const offline = phone({ send: async () => { throw Object.assign(new Error(), { code: "not_connected" }); } });
  assert.equal(await offline.share.start(), "on");
  mock.timers.tick(EVERY_MS / 10);
  await settle();
  assert.equal(offline.sent.length, 2);
  mock.timers.reset();
});

test("a browser without positions says so and asks nobody", async () => {
  const share = new LocationShare({ geolocation: undefined, permissions: undefined, send: async () => assert.fail() });
  assert.equal(await share.start(), "unavailable");
});

test("a grade is worded with its distance and every one of its reasons", () => {
  const t = (text, params = {}) => text.replace(/\{(\w+)\}/g, (_, name) => params[name]);
  const words = (grade, distance_m, reasons) => locationWords(t, { grade, distance_m, reasons, accuracy_m: 12.4 });
  assert.deepEqual([words("near", 85, ["within", "claimed"]).tone, words("near", 85, []).title], ["ok", "At the place: 85 m from the address"]);
  assert.equal(words("far", 4210, ["beyond"]).title, "Somewhere else: 4.2 km from the address");
  assert.equal(words("uncertain", 500, ["between", "map_offset", "claimed", "of a later version"]).reasons.length, 3);
  assert.equal(words("near", 1, []).accuracy, "Accurate to 12 m");
  assert.equal(locationWords(t, { accuracy_m: 9 }).tone, "neutral");
});
