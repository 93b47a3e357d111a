const EVERY_MS = 100;

/** Calls `tell` with the loudness of an audio track (0 to 1, rising fast, falling slowly) until `close()`. */
export class SoundLevel {
  #context;
  #timer;

  constructor(track, tell) {
    this.#context = new AudioContext();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let shown = 0;
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      shown = Math.max(loudness(samples), shown * 0.8);
      tell(shown);
    }, EVERY_MS);
  }

  close() {
    clearInterval(this.#timer);
    this.#context.close().catch(() => {});
  }
}

/** Root mean square of samples as a share of what speech close to a phone reaches: -50 dBFS is 0, -10 dBFS is 1. */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibel = 10 * Math.log10(sum / samples.length + 1e-10);
  return Math.min(1, Math.max(0, (decibel + 50) / 40));
}
