/** What `work(signal)` resolves with; the signal aborts after `ms`. AbortSignal.timeout() is missing before Chrome 103 and Safari 16. */
export async function within(ms, work) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ms);
  try {
    return await work(abort.signal);
  } finally {
    clearTimeout(timer);
  }
}
