import type { ReactNode } from "react";

/** A page's heading, with what it comes to, and what can be done there. */
export function PageHead({ title, said, children }: { title: ReactNode; said?: ReactNode; children?: ReactNode }) {
  return (
    <div className="page-head">
      <h1>{title}</h1>
      {said && <p className="said" role="status">{said}</p>}
      {children && <div className="actions">{children}</div>}
    </div>
  );
}
