import { useState, type FormEvent } from "react";
import { sentence } from "../api/client";
import { useSession } from "../api/session";
import { Field } from "./Field";

/** What stands in place of the pages until somebody is signed in; the address stays, and one goes on there. */
export function SignInPage() {
  const { session, failure, look } = useSession();
  return (
    <main className="sign-in">
      <h1>ISP Customer Tracker</h1>
      {session ? (
        <SignIn failure={failure} />
      ) : failure ? (
        <div className="failed" role="alert">
          <p>{sentence(failure)}</p>
          <button type="button" onClick={() => void look()}>Try again</button>
        </div>
      ) : (
        <p className="muted" role="status">Looking who is signed in…</p>
      )}
    </main>
  );
}

export function SignIn({ failure }: { failure: unknown }) {
  const { session } = useSession();
  return session?.by === "link" ? <ByLink failure={failure} /> : <ByPassword failure={failure} />;
}

function ByLink({ failure }: { failure: unknown }) {
  const { look } = useSession();
  const [link, setLink] = useState("");
  const [looked, setLooked] = useState(false);
  const { busy, refused, submit } = useSigningIn(failure, () => setLink(""));
  return (
    <form onSubmit={(event) => submit(event, { key: link.trim().split("#key=").at(-1) ?? "" })}>
      <p>
        Open the link that <code>python main.py web</code> printed last, or enter it here. It opens the page once; then
        the server prints the next.
      </p>
      <Field label="Link">
        <input required type="password" autoComplete="off" value={link}
          onChange={(event) => setLink(event.target.value)} />
      </Field>
      {refused ? <p className="refusal" role="alert">{sentence(refused)}</p> : null}
      {looked && !refused && (
        <p className="refusal" role="alert">You are not signed in yet: open the link in this browser first.</p>
      )}
      <footer>
        <button type="submit" className="main" disabled={busy}>{busy ? "Signing in…" : "Sign in"}</button>
        <button type="button" disabled={busy} onClick={() => void look().then(() => setLooked(true))}>
          I have opened it
        </button>
      </footer>
    </form>
  );
}

function useSigningIn(failure: unknown, clear: () => void) {
  const { signIn } = useSession();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  const [begun, setBegun] = useState(false);
  const submit = (event: FormEvent, credentials: Parameters<typeof signIn>[0]) => {
    event.preventDefault();
    setBegun(true);
    setBusy(true);
    setRefused(null);
    signIn(credentials)
      .catch((error: unknown) => {
        setRefused(error);
        clear();
      })
      .finally(() => setBusy(false));
  };
  return { busy, refused: begun ? refused : failure, submit };
}

function ByPassword({ failure }: { failure: unknown }) {
  const { session } = useSession();
  const [login, setLogin] = useState(session?.person?.login ?? "");
  const [password, setPassword] = useState("");
  const { busy, refused, submit } = useSigningIn(failure, () => setPassword(""));
  return (
    <form onSubmit={(event) => submit(event, { login, password })}>
      <p className="muted">With your PostgreSQL login.</p>
      <Field label="Login">
        <input autoFocus required autoComplete="username" autoCapitalize="none" spellCheck={false} value={login}
          onChange={(event) => setLogin(event.target.value)} />
      </Field>
      <Field label="Password">
        <input required type="password" autoComplete="current-password" value={password}
          onChange={(event) => setPassword(event.target.value)} />
      </Field>
      {refused ? <p className="refusal" role="alert">{sentence(refused)}</p> : null}
      <button type="submit" className="main" disabled={busy}>{busy ? "Signing in…" : "Sign in"}</button>
    </form>
  );
}
