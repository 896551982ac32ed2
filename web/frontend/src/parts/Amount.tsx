import { showAmount } from "../words/text";

/**
 * An amount as the terminal shows it, its thousands set apart by space alone: what is copied or read out has no signs
 * that a form would refuse.
 */
export function Amount({ of, quiet }: { of: string | null; quiet?: boolean }) {
  const shown = showAmount(of);
  const nothing = quiet && shown === "0.00";
  return <span className={nothing ? "amount nothing" : "amount"}>{grouped(shown)}</span>;
}

function grouped(shown: string) {
  const [whole = "", cents] = shown.split(".");
  if (whole.length < 4) return shown;
  const groups = whole.match(/\d{1,3}(?=(\d{3})*$)/g) ?? [whole];
  return (
    <>
      {groups.map((group, i) => (i ? <span key={i} className="thousands">{group}</span> : group))}.{cents}
    </>
  );
}
