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
  return (
    <>
      {failure ? <p className="refusal" role="alert">{sentence(failure)}</p> : null}
      <p>Open the link that the server printed when it started: <code>python main.py web</code> says it.</p>
      <button type="button" onClick={() => void look()}>I have opened it</button>
    </>
  );
}

function ByPassword({ failure }: { failure: unknown }) {
  const { signIn, session } = useSession();
  const [login, setLogin] = useState(session?.person?.login ?? "");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(failure);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setRefused(null);
    try {
      await signIn({ login, password });
    } catch (error) {
      setRefused(error);
      setPassword("");
    } finally {
      setBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => void submit(event)}>
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
