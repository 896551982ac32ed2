import { Fragment } from "react";
import { groups, showAmount } from "../words/text";

/**
 * An amount as the terminal shows it, its thousands set apart by space alone: what is copied or read out has no signs
 * that a form would refuse.
 */
export function Amount({ of, quiet }: { of: string | null; quiet?: boolean }) {
  const shown = showAmount(of);
  const nothing = quiet && shown === "0.00";
  return <span className={nothing ? "amount nothing" : "amount"}><Grouped digits={shown} /></span>;
}

export function Count({ of }: { of: number }) {
  return <span className="day"><Grouped digits={String(of)} /></span>;
}

function Grouped({ digits }: { digits: string }) {
  return groups(digits).map((group, i) => (
    <Fragment key={i}>{i ? <span className="thousands">{group}</span> : group}</Fragment>
  ));
}
