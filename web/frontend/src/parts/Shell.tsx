// What stands around every page: where one can go, the search, who is signed in.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { NavLink, Outlet, useLocation } from "react-router";
import { send, sentence } from "../api/client";
import { usePerson, useSession } from "../api/session";
import type { Person } from "../api/types";
import { clean } from "../words/text";
import { Dialog } from "./Dialog";
import { Fault } from "./Fault";
import { Help } from "./Help";
import { useScrollPlaces } from "./hooks";
import { Search } from "./Search";
import { SignIn } from "./SignIn";
import { Theme } from "./Theme";

const PLACES: [string, string][] = [
  ["/", "Overview"],
  ["/customers", "Customers"],
  ["/late", "Late"],
  ["/aging", "Owed by age"],
  ["/bills", "Bills"],
  ["/payments", "Payments"],
  ["/equipment", "Equipment"],
  ["/stock", "In stock"],
  ["/changes", "Changes"],
];

export function Shell() {
  const { over, answered, look } = useSession();
  const queries = useQueryClient();
  const person = usePerson();
  const { pathname } = useLocation();
  const [help, setHelp] = useState(false);
  const content = useRef<HTMLElement>(null);
  useScrollPlaces();
  useShortcuts(() => setHelp(true));

  return (
    <>
      <a className="skip" href="#content" onClick={(event) => {
        event.preventDefault(); // a fragment would be one more place in the history
        content.current?.focus();
      }}>
        To the content
      </a>
      <header className="top">
        <Places />
        <Search />
        {!person.may_change && <p className="why-not">{readOnly(person)}</p>}
        <Who onHelp={() => setHelp(true)} />
      </header>
      {!answered && (
        <p className="offline" role="alert">
          No answer from the server: what is shown may be old.{" "}
          <button type="button" onClick={() => void look().then(() => queries.invalidateQueries())}>Try again</button>
        </p>
      )}
      {person.news.length > 0 && <News said={person.news} last={person.last_news} />}
      <main id="content" ref={content} tabIndex={-1}>
        <Fault at={pathname}>
          <Outlet />
        </Fault>
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
      {over && <SessionOver />}
    </>
  );
}

/** What another server that took over may lack; it stays until it was seen. */
function News({ said, last }: { said: string[]; last: number }) {
  const { look } = useSession();
  const [failure, setFailure] = useState<unknown>(null);
  const forget = () => send("DELETE", `/api/news?seen=${last}`).then(look).catch(setFailure);
  return (
    <div className="news" role="alert">
      <ul>{said.map((one, place) => <li key={place}>{clean(one)}</li>)}</ul>
      <button type="button" onClick={() => void forget()}>Seen</button>
      {failure ? <p className="refusal">{sentence(failure)}</p> : null}
    </div>
  );
}

function Places() {
  const { pathname } = useLocation();
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [pathname]);
  return (
    <>
      <button type="button" className="menu plain" aria-expanded={open} aria-controls="places"
        onClick={() => setOpen(!open)}>
        Menu
      </button>
      <nav id="places" aria-label="Pages" className={open ? "open" : undefined}>
        <p className="brand" aria-hidden="true">ISP Customer Tracker</p>
        <ul>
          {PLACES.map(([to, name]) => (
            <li key={to}>
              <NavLink to={to} end={to === "/"}>{name}</NavLink>
            </li>
          ))}
        </ul>
      </nav>
    </>
  );
}

function readOnly(person: Person): string {
  return `Read-only: ${clean(person.why_not).replace(/\.$/, "")}.`;
}

function Who({ onHelp }: { onHelp: () => void }) {
  const { signOut } = useSession();
  const person = usePerson();
  const [failure, setFailure] = useState<unknown>(null);
  const box = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const away = (event: Event) => {
      if (box.current?.open && !box.current.contains(event.target as Node)) box.current.open = false;
    };
    addEventListener("pointerdown", away);
    addEventListener("focusin", away);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("focusin", away);
    };
  }, []);
  return (
    <details className="who" ref={box} onKeyDown={(event) => {
      if (event.key === "Escape" && box.current) box.current.open = false;
    }}>
      <summary>{clean(person.name)}</summary>
      <div>
        <dl>
          <dt>Database</dt>
          <dd>{clean(person.database)}</dd>
          <dt>Server</dt>
          <dd>{clean(person.server)}</dd>
          <dt>Program</dt>
          <dd>{person.version}</dd>
          <dt>Today</dt>
          <dd>{person.today}</dd>
        </dl>
        {!person.may_change && <p className="why-not-here">{readOnly(person)}</p>}
        <Theme />
        <button type="button" onClick={onHelp}>Keys (?)</button>
        <button type="button" onClick={() => void signOut().catch(setFailure)}>Sign out</button>
        {failure ? <p className="refusal" role="alert">{sentence(failure)}</p> : null}
      </div>
    </details>
  );
}

/** Ask to sign in again over the page, which keeps what was typed, and is covered: whoever sees it may be another. */
function SessionOver() {
  const { failure } = useSession();
  return (
    <Dialog title="Your session is over" onClose={() => {}} cover>
      <p>Sign in again to go on where you were; what was typed is kept.</p>
      <SignIn failure={failure} />
    </Dialog>
  );
}

function useShortcuts(onHelp: () => void): void {
  const help = useRef(onHelp);
  help.current = onHelp;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const typing = event.target instanceof Element && event.target.closest("input, textarea, select, dialog");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") {
        const search = document.getElementById("search");
        if (search instanceof HTMLInputElement) {
          search.focus();
          search.select();
        }
      } else if (event.key === "?") help.current();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
