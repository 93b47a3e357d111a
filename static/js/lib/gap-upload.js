// Sending what the server lacks from the phone's own recordings: only the files that show something of a gap, piece by
// piece, resumed where the server says, repeated without limit, until nothing is left or the time for it is over.

import { PieceSender } from "./piece-sender.js";
import { OLDEST_MS, fillableSeconds, neededRuns, outsidePauses, settledRuns } from "./recording-runs.js";
import { FilesApart, UploadRounds } from "./upload-rounds.js";

// What the server will never take of a run: it is forgotten.
const USELESS = new Set(["recording_not_needed", "recording_of_a_pause", "bad_recording", "invalid", "bad_body", "too_large"]);
// The server takes no longer file; one of a page that slept may claim to be.
const LONGEST_S = 120;
// A file that another page of this phone still writes is looked at again after this.
const ELSEWHERE_MS = 3000;

/**
 * `state`: idle, asking (what is missing), sending, waiting (no network, tries again), done, over (too late, or the seat is not ours any more).
 * `left`: {seconds, bytes} that the server lacks and we have. Dispatches `change`.
 */
export class GapUpload extends EventTarget {
  #inspection;
  #store;
  #sender;
  #rounds;
  #apart = new FilesApart(USELESS);
  #pending = [];
  #sent = 0;
  #hasSettled = false;
  #clock;

  /**
   * `store`: a recording store; `clock`: a ServerClock that profits from the server's answers.
   */
  constructor({ base, token, inspection, store, clock = null, ...means }) {
    super();
    this.#inspection = inspection;
    this.#store = store;
    this.#clock = clock;
    this.#sender = new PieceSender({ base, token, store, ...means });
    this.#rounds = new UploadRounds(this.#sender, {
      round: () => this.#round(),
      over: (forAll) => this.#over(forAll),
      waiting: () => this.#say("waiting"),
    });
    this.state = "idle";
    this.gaps = [];
    this.left = { seconds: 0, bytes: 0 };
    this.deadline = null;
  }

  /** Ask what is missing and send it; resolves when there is nothing more to do now. A call in between makes it look again. */
  check() {
    this.expect();
    return this.#rounds.go();
  }

  /** What was known is not true any more; `check()` follows. */
  expect() {
    if (this.state === "idle" || this.state === "done") this.#say("asking");
  }

  /** Whether the camera is being sent at the same time, which goes first. */
  set live(live) {
    this.#sender.live = live;
  }

  close() {
    this.#sender.close();
  }

  /** Whether what is still to be sent would outlive this page. */
  get survivesReload() {
    return this.#store.survivesReload;
  }

  async #round() {
    const answer = await this.#sender.ask("GET", "/gaps");
    const now = Date.parse(answer.now);
    this.#clock?.isAfter(answer.now);
    this.deadline = answer.deadline;
    this.gaps = answer.gaps.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) }));
    const pauses = (answer.pauses ?? []).map(({ from, to }) => ({ from: Date.parse(from), to: to && Date.parse(to) }));
    const replaced = answer.replaced_at ? Date.parse(answer.replaced_at) : null;
    const mine = async () => (await this.#runs(now)).filter(({ started_at: began }) => replaced === null || began < replaced);
    const runs = (await mine()).map((run) => outsidePauses(run, pauses));
    if (answer.settled) {
      for (const run of settledRuns(runs, this.gaps, Date.parse(answer.settled))) await this.#store.remove(run.id);
    }
    const needed = neededRuns(runs, this.gaps).filter(({ open }) => !open);
    this.#pending = needed;
    const failures = await this.#apart.each(needed, (run) => this.#send(run), (run) => this.#forget(run));
    if (failures.length > 0) throw failures[0];
    this.left = { seconds: 0, bytes: 0 };
    // Another page of this phone has something that is needed and still writes it: not all has been sent.
    let again = this.#rounds.again || neededRuns(runs, this.gaps).some(({ elsewhere }) => elsewhere);
    // After the end the server may still be writing what it received: our files go when that is certain.
    const isWriting = answer.deadline && answer.settled && now - Date.parse(answer.settled) > 1000;
    if (isWriting) again ||= (await mine()).some(({ open }) => !open);
    if (!again && (answer.deadline || replaced !== null)) await this.#settle();
    this.#say(again ? "asking" : "done");
    if (again) await this.#rounds.later(ELSEWHERE_MS);
  }

  /** Nothing more will come from this device: nobody need wait for it. */
  async #settle() {
    if (this.#hasSettled) return;
    await this.#sender.ask("POST", "/gaps/done");
    this.#hasSettled = true;
  }

  async #over(forAll) {
    const runs = forAll ? await this.#store.list().catch(() => []) : [];
    for (const { id } of runs.filter((run) => run.inspection === this.#inspection)) await this.#store.remove(id).catch(() => {});
    this.#say("over");
  }

  /** Our runs on the server's clock; those that nobody will ask for any more are forgotten. */
  async #runs(now) {
    const behind = now - Date.now();
    const runs = [];
    for (const run of await this.#store.list()) {
      if (run.started_at < now - OLDEST_MS && !run.open) await this.#store.remove(run.id);
      // Recorded before the server had told its time: by this device's clock, as far off as it is now.
      else if (run.inspection === this.#inspection) runs.push(run.synchronised === false ? { ...run, started_at: run.wall + behind } : run);
    }
    return runs;
  }

  async #send(run) {
    this.#sent = 0;
    this.#tell();
    this.#say("sending");
    const announced = await this.#sender.ask("POST", "/recordings", {
      run: run.id,
      media_type: run.media_type,
      started_at: new Date(run.started_at).toISOString(),
      duration_s: Math.min(Math.max(run.duration_s, 0.001), LONGEST_S),
      chunks: run.chunks.map(({ size, sha256 }) => ({ size, sha256 })),
    });
    await this.#sender.send(run, "/recordings", announced, (offset) => {
      this.#sent = offset;
      this.#tell();
    });
    await this.#forget(run);
  }

  async #forget(run) {
    await this.#store.remove(run.id);
    this.#pending = this.#pending.filter((one) => one !== run);
    this.#sent = 0;
  }

  #tell() {
    const bytes = this.#pending.reduce((sum, { size }) => sum + size, -this.#sent);
    this.left = { seconds: fillableSeconds(this.#pending, this.gaps), bytes };
    this.dispatchEvent(new CustomEvent("change"));
  }

  #say(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
  }
}
