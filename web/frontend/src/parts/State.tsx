import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { Refused, sentence } from "../api/client";

/** What stands where an answer is awaited; it shows after a moment only, so that quick answers do not flicker. */
export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <div className="loading" role="status">
      <span className="unseen">Loading…</span>
      {Array.from({ length: rows }, (_, i) => (
        <i key={i} />
      ))}
    </div>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>;
}

/** Say above what is shown that it could not be read again. */
export function Old({ asked }: { asked: UseQueryResult }) {
  if (!asked.isError || !asked.data) return null;
  return (
    <p className="muted" role="status">
      What is shown may be old: {sentence(asked.error)}{" "}
      <button type="button" className="plain" onClick={() => void asked.refetch()}>Try again</button>
    </p>
  );
}

const HEADINGS: Record<number, string> = { 403: "No right", 404: "Not found" };

/** Say why there is nothing to show, and what to do; page where it stands in place of a whole page. */
export function Failed({ error, again, page = false }: { error: unknown; again: () => void; page?: boolean }) {
  const status = error instanceof Refused ? error.status : 0;
  return (
    <div className="failed" role="alert">
      {page && <h1>{HEADINGS[status] ?? "Nothing to show"}</h1>}
      <p>{sentence(error)}</p>
      <p>
        {status !== 403 && status !== 404 && (
          <button type="button" onClick={again}>Try again</button>
        )}
        {status === 404 && <Link to="/">To the overview</Link>}
      </p>
    </div>
  );
}
