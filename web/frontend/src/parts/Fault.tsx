import { Component, type ReactNode } from "react";

/** Says that this page has a fault, where there would be nothing at all otherwise; another address gets another try. */
export class Fault extends Component<{ at: string; children: ReactNode }, { at: string | null }> {
  override state = { at: null };

  static getDerivedStateFromError(): { at: string } {
    return { at: "" };
  }

  static getDerivedStateFromProps(
    { at }: { at: string }, state: { at: string | null },
  ): { at: string | null } | null {
    if (state.at === "") return { at };
    return state.at !== null && state.at !== at ? { at: null } : null;
  }

  override render(): ReactNode {
    if (this.state.at === null) return this.props.children;
    return (
      <div className="failed" role="alert">
        <h1>Nothing to show</h1>
        <p>This page has a fault; load it again, and report it if it stays.</p>
        <button type="button" onClick={() => location.reload()}>Load it again</button>
      </div>
    );
  }
}
