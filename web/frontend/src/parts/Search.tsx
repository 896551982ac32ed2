// The search in the header: finds customers while one types, and leads to whatever else the words may mean.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";
import { useNavigate } from "react-router";
import { sentence } from "../api/client";
import { suggested } from "../api/queries";
import type { CustomerHit } from "../api/types";
import { clean } from "../words/text";
import { useSettled } from "./hooks";

const SETTLED = 120;
const FEW = 8;

interface Choice {
  to: string;
  name: string;
  more: string;
}

export function Search() {
  const navigate = useNavigate();
  const input = useRef<HTMLInputElement>(null);
  const listId = useId();
  const [words, setWords] = useState("");
  const [open, setOpen] = useState(false);
  const [picked, setPicked] = useState(""); // where the choice leads that the arrows or the mouse are at
  const sought = words.trim();
  const settled = useSettled(sought, SETTLED);
  const answer = useQuery(suggested(settled, FEW));
  // An answer to other words than those that stand there is never offered.
  const current = settled === sought && answer.data && !answer.isPlaceholderData ? answer.data.rows : null;
  const choices = sought ? [...(current ?? []).map(customerChoice), ...elsewhere(sought)] : [];
  const shown = open && sought !== "";
  const active = Math.max(0, choices.findIndex(({ to }) => to === picked));

  const go = (to = `/customers?search=${encodeURIComponent(sought)}`) => {
    setOpen(false);
    setWords("");
    input.current?.blur();
    void navigate(to);
  };
  // Enter before the answer waits for it: the only customer found is opened, of several the list.
  const [awaited, setAwaited] = useState("");
  useEffect(() => {
    if (!awaited || (awaited === sought && !current && !answer.isError)) return;
    setAwaited("");
    if (awaited === sought) go(current?.length === 1 ? choices[0]?.to : undefined);
  });
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      if (shown) setOpen(false);
      else input.current?.blur();
    } else if (event.key === "Enter" && sought) {
      if (current || picked) go(choices[active]?.to);
      else setAwaited(sought);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      setOpen(true);
      setPicked(choices[(active + step + choices.length) % choices.length]?.to ?? "");
    } else return;
    event.preventDefault();
  };

  return (
    <search
      className="search"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) setOpen(false);
      }}
    >
      <input
        ref={input}
        id="search"
        type="text"
        role="combobox"
        aria-label="Find a customer"
        aria-keyshortcuts="/"
        aria-expanded={shown}
        aria-controls={listId}
        aria-autocomplete="list"
        aria-activedescendant={shown ? `${listId}-${active}` : undefined}
        placeholder="Name, phone number, address or serial number"
        autoComplete="off"
        spellCheck={false}
        maxLength={200}
        value={words}
        onChange={(event) => {
          setWords(event.target.value);
          setPicked("");
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onKeyDown={onKey}
      />
      <kbd aria-hidden="true">/</kbd>
      <div className="choices" hidden={!shown}>
        {shown && <p role="status">{stateOf(answer.isError ? sentence(answer.error) : null, current)}</p>}
        <ul id={listId} role="listbox" aria-label="What was found">
          {shown &&
            choices.map((choice, i) => (
              <li
                key={choice.to}
                id={`${listId}-${i}`}
                role="option"
                aria-selected={i === active}
                className={current?.length && i === current.length ? "first-of-more" : undefined}
                onMouseDown={(event) => event.preventDefault()}
                onMouseMove={() => setPicked(choice.to)}
                onClick={() => go(choice.to)}
              >
                <span>{choice.name}</span>
                <span>{choice.more}</span>
              </li>
            ))}
        </ul>
      </div>
    </search>
  );
}

function stateOf(failure: string | null, current: CustomerHit[] | null): string {
  if (failure) return failure;
  if (!current) return "Searching…";
  return current.length ? "" : "None at a glance; Enter looks everywhere.";
}

function customerChoice(hit: CustomerHit): Choice {
  const closed = hit.closed_on && `closed ${hit.closed_on}`;
  const more = [closed, hit.account_number, hit.phone_number, hit.address].filter(Boolean).map(clean).join(" · ");
  return { to: `/customers/${hit.customer_id}`, name: clean(hit.name), more: more || `customer ${hit.customer_id}` };
}

function elsewhere(sought: string): Choice[] {
  const search = encodeURIComponent(sought);
  const quoted = `“${clean(sought)}”`;
  const places = [
    { to: "/customers", name: "All customers with" },
    { to: "/equipment", name: "Equipment with" },
    { to: "/payments", name: "Payments with" },
    { to: "/bills", name: "Bills with" },
  ];
  return places.map(({ to, name }) => ({ to: `${to}?search=${search}`, name: `${name} ${quoted}`, more: "" }));
}
