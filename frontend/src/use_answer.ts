/** Asks once, again on demand, and lightly while something is under way; every question can be called off. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "./api";

export interface Answer<T> {
  data: T | null;
  /** Set when the newest question failed. `data` then still holds the last good answer, if there was one. */
  problem: Problem | null;
  loading: boolean;
  ask: () => void;
}

/** A passing trouble must not end the watching of something under way, nor be made worse by it. */
const AFTER_TROUBLE_MS = 5_000;

/**
 * @param load must be stable between renders (wrap it in `useCallback`): a new function asks anew.
 * @param pollMs decides from the newest answer how soon to ask again; null: not by itself.
 */
export function useAnswer<T>(
  load: (signal: AbortSignal) => Promise<T>,
  pollMs: (data: T) => number | null = () => null,
): Answer<T> {
  const [data, setData] = useState<T | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [loading, setLoading] = useState(true);
  const [turn, setTurn] = useState(0);
  const poll = useRef(pollMs);
  poll.current = pollMs;
  const last = useRef<T | null>(null);

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      // A hidden tab asks nothing; it catches up when it is looked at.
      if (document.hidden) {
        timer = setTimeout(ask, 1000);
        return;
      }
      setLoading(true);
      try {
        const found = await load(stop.signal);
        if (stop.signal.aborted) return;
        last.current = found;
        setData(found);
        setProblem(null);
        const wait = poll.current(found);
        if (wait !== null) timer = setTimeout(ask, wait);
      } catch (error) {
        if (stop.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        setProblem(error);
        // The shop is no longer ours to show: old numbers beside that message would contradict it.
        if (error.detail.code === "not_installed") {
          last.current = null;
          setData(null);
        }
        const passing = error.status === 0 || error.status >= 500;
        const wanted = last.current === null ? null : poll.current(last.current);
        if (passing && wanted !== null) timer = setTimeout(ask, Math.max(wanted, AFTER_TROUBLE_MS));
      } finally {
        if (!stop.signal.aborted) setLoading(false);
      }
    };
    void ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [load, turn]);

  const ask = useCallback(() => setTurn((before) => before + 1), []);
  return { data, problem, loading, ask };
}
