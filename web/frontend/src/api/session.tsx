// Who is signed in, and what happens when the server no longer knows them.
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { Refused, get, keepToken, listen, send } from "./client";
import { onKey, takeKey } from "./link";
import type { Person, Session } from "./types";

interface Signed {
  session: Session | null; // until the server has said who this is, null
  failure: unknown;
  over: boolean; // somebody was signed in, and the page they look at waits for them
  answered: boolean; // whether the server answered the last request
  signIn: (credentials: { login: string; password: string } | { key: string }) => Promise<void>;
  signOut: () => Promise<void>;
  look: () => Promise<boolean>; // whether somebody is signed in, as far as the server answers
}

const Context = createContext<Signed | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [session, setSession] = useState<Session | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [over, setOver] = useState(false);
  const [answered, setAnswered] = useState(true);
  const seen = useRef<Person | null>(null);
  const lastAnswer = useRef(Date.now());

  const accept = useCallback(
    (next: Session) => {
      const { person } = next;
      setFailure(null);
      if (person && seen.current && person.login !== seen.current.login) {
        location.reload(); // what is open here was somebody else's
        return;
      }
      if (!person && seen.current) {
        setOver(true);
        return;
      }
      keepToken(person?.token ?? "");
      setSession(next);
      setOver((was) => {
        if (was) void queries.invalidateQueries();
        return false;
      });
      seen.current = person;
    },
    [queries],
  );

  const look = useCallback(async () => {
    try {
      const now = await get("/api/session");
      accept(now);
      return now.person !== null;
    } catch (error) {
      setFailure(error);
      return false;
    }
  }, [accept]);

  const signIn = useCallback<Signed["signIn"]>(
    async (credentials) => accept(await send<Session>("POST", "/api/session", credentials)),
    [accept],
  );

  const signOut = useCallback(async () => {
    await send<undefined>("DELETE", "/api/session").catch((error: unknown) => {
      if (!(error instanceof Refused && error.status === 401)) throw error; // over already
    });
    seen.current = null;
    queries.clear();
    await look();
  }, [queries, look]);

  useEffect(() => {
    listen(
      (did) => {
        setAnswered(did);
        if (did) lastAnswer.current = Date.now();
      },
      () => setOver(seen.current !== null),
      async () => {
        const now = await get("/api/session");
        accept(now);
        return now.person && now.person.login === seen.current?.login ? now.person.token : "";
      },
      (last) => {
        if (seen.current && last !== seen.current.last_news) void look();
      },
    );
    onKey(() => void open());
    void open();

    async function open(): Promise<void> {
      const key = takeKey();
      if (!key) return void (await look());
      try {
        await signIn({ key });
      } catch (error) {
        await look();
        setFailure(error);
      }
    }
  }, [look, signIn, accept]);

  useWatch(over, session?.person?.idle_minutes, lastAnswer, look);

  const value = useMemo(
    () => ({ session, failure, over, answered, signIn, signOut, look }),
    [session, failure, over, answered, signIn, signOut, look],
  );
  return <Context value={value}>{children}</Context>;
}

const LONG = 10 * 60_000;

/**
 * Look whether the session is over when it has been idle for long; and when the page is seen again, whether it is back,
 * or what day it is by now.
 */
function useWatch(
  over: boolean, idleMinutes: number | undefined, lastAnswer: { current: number }, look: () => Promise<unknown>,
): void {
  useEffect(() => {
    const seenAgain = () => {
      const long = Date.now() - lastAnswer.current > LONG;
      if ((over || long) && document.visibilityState === "visible") void look();
    };
    document.addEventListener("visibilitychange", seenAgain);
    return () => document.removeEventListener("visibilitychange", seenAgain);
  }, [over, lastAnswer, look]);

  useEffect(() => {
    if (!idleMinutes || over) return;
    const timer = setInterval(() => {
      if (Date.now() - lastAnswer.current > idleMinutes * 60_000 + 2_000) void look();
    }, 10_000);
    return () => clearInterval(timer);
  }, [idleMinutes, over, lastAnswer, look]);
}

export function useSession(): Signed {
  const signed = useContext(Context);
  if (!signed) throw new Error("useSession stands outside its provider");
  return signed;
}

/** Return who is signed in; only pages that are shown to somebody ask this. */
export function usePerson(): Person {
  const person = useSession().session?.person;
  if (!person) throw new Error("nobody is signed in");
  return person;
}
