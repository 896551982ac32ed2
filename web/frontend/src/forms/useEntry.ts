import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Refused } from "../api/client";
import type { Failure } from "../api/types";

/** Why a write was not saved, or that nobody knows whether it was. */
export interface Outcome {
  error: unknown;
  failure: Failure | null;
  unknown: boolean;
}

/**
 * Send a form, one time at once: a second click while it is under way does nothing, and leaving the page meanwhile is
 * asked about. What stands behind the form is read again once it is saved, or was met by what somebody else did; and
 * where nobody knows whether it was saved, at once and when the form is closed, so that one can look.
 */
export function useEntry<Body, Answer>(write: (body: Body) => Promise<Answer>, done: (answer: Answer) => void) {
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const underWay = useRef(false);

  useEffect(() => {
    if (!busy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [busy]);

  useEffect(() => {
    if (!outcome?.unknown) return;
    const look = () => void queries.invalidateQueries();
    look();
    return look;
  }, [outcome, queries]);

  const submit = async (body: Body) => {
    if (underWay.current) return;
    underWay.current = true;
    setBusy(true);
    try {
      const answer = await write(body);
      setOutcome(null);
      void queries.invalidateQueries();
      done(answer);
    } catch (error) {
      const refused = error instanceof Refused ? error : null;
      if (refused?.status === 401) return setOutcome(null); // one signs in again, and sends it again
      if (refused?.status === 404 || refused?.status === 409) void queries.invalidateQueries();
      setOutcome({ error, failure: refused?.failure ?? null, unknown: refused?.unknown ?? true });
    } finally {
      underWay.current = false;
      setBusy(false);
    }
  };
  return { busy, outcome, forget: () => setOutcome(null), submit };
}

/** Return what the server says against an input. */
export function against(outcome: Outcome | null, field: string): string | null {
  const failure = outcome?.failure;
  return failure && failure.field === field && !failure.present && !failure.questions.length ? failure.error : null;
}

/** Return what the server says that is about no input of the form. */
export function inGeneral(outcome: Outcome | null, fields: string[]): unknown {
  if (!outcome || outcome.unknown || outcome.failure?.present || outcome.failure?.questions.length) return null;
  return outcome.failure?.field && fields.includes(outcome.failure.field) ? null : outcome.error;
}
