// What asks the server. Every failure becomes a Refused, whose message is one sentence to show.
import type { Answer, Asked, Failure, Readable } from "./types";

export class Refused extends Error {
  readonly status: number;
  readonly failure: Failure;

  constructor(status: number, failure: Failure) {
    super(failure.error);
    this.status = status;
    this.failure = failure;
  }

  /** Whether a write that ended like this may have been saved all the same. */
  get unknown(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

export type Query = Record<string, string | number | null | undefined>;

const SILENT = "The server does not answer; see whether it runs and this machine reaches it, then try again.";

let token = "";
let onAnswer: (answered: boolean) => void = () => {};
let onNews: (count: number) => void = () => {};
let onSessionOver: () => void = () => {};
let renewed: () => Promise<string> = () => Promise.resolve(token);

export function keepToken(next: string): void {
  token = next;
}

/**
 * Be told whether the server answered a request, when it no longer knows the session, and the number of its last news
 * for the person; and be asked for the token of the session as it is by now.
 */
export function listen(
  answered: (answered: boolean) => void, sessionOver: () => void, renew: () => Promise<string>,
  news: (last: number) => void,
): void {
  onAnswer = answered;
  onNews = news;
  onSessionOver = sessionOver;
  renewed = renew;
}

export function address(path: string, query: Query = {}): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") asked.set(name, String(value));
  }
  return asked.size ? `${path}?${asked}` : path;
}

/** Read an address; of a path with a parameter, for the record with that ID. */
export function get<P extends Readable>(
  path: P, { id, query, signal }: { id?: number; query?: Asked<P>; signal?: AbortSignal } = {},
): Promise<Answer<P>> {
  const of = id === undefined ? path : path.replace(/\{\w+\}/, String(id));
  return ask<Answer<P>>(address(of, query as Query | undefined), { signal: signal ?? null });
}

/** Write something, once: it is sent anew only where it was refused for a token that is no longer the present one. */
export async function send<T>(method: "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
  const carried = token;
  try {
    return await sendWith<T>(carried, method, path, body);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 403) throw error;
    const present = await renewed(); // another tab may have signed in meanwhile
    if (!present || present === carried) throw error;
    return sendWith<T>(present, method, path, body);
  }
}

function sendWith<T>(carried: string, method: string, path: string, body: unknown): Promise<T> {
  return ask<T>(path, {
    method,
    headers: { "Content-Type": "application/json", "X-CSRF-Token": carried },
    body: body === undefined ? null : JSON.stringify(body),
  });
}

async function ask<T>(url: string, init: RequestInit): Promise<T> {
  const answer = await reach(url, init);
  if (answer.status === 204) return undefined as T;
  const body: unknown = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body as T;
  if (init.signal?.aborted) throw new DOMException("Dropped", "AbortError");
  // Wrong passwords are answered with 401, too, and end no session.
  if (answer.status === 401 && url !== "/api/session") onSessionOver();
  throw new Refused(answer.ok ? 0 : answer.status, failureIn(body));
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    const answer = await fetch(url, { credentials: "same-origin", cache: "no-store", ...init });
    onAnswer(true);
    if (url !== "/api/session") onNews(Number(answer.headers.get("X-News") ?? 0));
    return answer;
  } catch (error) {
    if (init.signal?.aborted) throw error;
    onAnswer(false);
    throw new Refused(0, { error: SILENT, field: null, questions: [], present: null });
  }
}

function failureIn(body: unknown): Failure {
  const said = body && typeof body === "object" ? (body as Partial<Failure>) : {};
  return {
    error: typeof said.error === "string" ? said.error : "The server's answer cannot be read; try again.",
    field: said.field ?? null,
    questions: said.questions ?? [],
    present: said.present ?? null,
  };
}

/** Return the sentence to show of whatever went wrong. */
export function sentence(error: unknown): string {
  return error instanceof Refused ? error.message : "Something went wrong on this page; load it again.";
}
