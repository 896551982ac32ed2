import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { one } from "../api/queries";
import { usePerson } from "../api/session";
import type { Payment as Shown } from "../api/types";
import { VoidDialog } from "../forms/VoidForm";
import { Amount } from "../parts/Amount";
import { Fact, Facts } from "../parts/Facts";
import { PaymentUses } from "../parts/PaymentUses";
import { Saved } from "../parts/Saved";
import { Failed, Loading, Old } from "../parts/State";
import { useTitle } from "../parts/hooks";
import { capital } from "../words/sentences";
import { clean, showMoment } from "../words/text";
import { NotFound } from "./NotFound";

export function Payment() {
  const id = Number(useParams()["id"]);
  const asked = useQuery(one("/api/payments/{payment_id}", id));
  useTitle(`${capital(asked.data?.kind ?? "payment")} ${id}`);
  if (!Number.isSafeInteger(id) || id < 1) return <NotFound />;
  if (asked.isPending) return <Loading />;
  if (!asked.data) return <Failed page error={asked.error} again={() => void asked.refetch()} />;
  return (
    <>
      <Old asked={asked} />
      <Found shown={asked.data} />
    </>
  );
}

function Found({ shown }: { shown: Shown }) {
  const { may_change } = usePerson();
  const [voiding, setVoiding] = useState(false);
  const [said, setSaid] = useState("");
  const { kind } = shown;
  const isMoney = kind === "payment" || kind === "refund";
  return (
    <>
      <div className="page-head">
        <h1>{capital(kind)} {shown.payment_id}{shown.voided_on && <span className="muted"> void</span>}</h1>
        {may_change && !shown.voided_on && (
          <div className="actions">
            <button type="button" onClick={() => setVoiding(true)}>Void {kind}</button>
          </div>
        )}
      </div>
      <Saved said={said} />
      <Facts>
        <Fact name="Customer"><Link to={`/customers/${shown.customer_id}`}>{clean(shown.name)}</Link></Fact>
        <Fact name="Amount">
          <span className={shown.voided_on ? "struck" : undefined}><Amount of={shown.amount} /></span>
        </Fact>
        <Fact name={isMoney ? "Paid on" : "Day"}>{shown.paid_on}</Fact>
        {isMoney && <Fact name="Method">{shown.method}</Fact>}
        {isMoney && <Fact name="Reference">{clean(shown.reference) || "none"}</Fact>}
        {shown.reason && <Fact name="Reason">{clean(shown.reason)}</Fact>}
        <Fact name="Recorded">{showMoment(shown.recorded_at)} by {clean(shown.recorded_by)}</Fact>
        {shown.voided_on && <Fact name="Void since">{shown.voided_on}: {clean(shown.void_reason)}</Fact>}
      </Facts>
      <PaymentUses payment={shown} />
      {voiding && (
        <VoidDialog payment={shown} onClose={() => setVoiding(false)}
          onVoided={(sentence) => {
            setSaid(sentence);
            setVoiding(false);
          }} />
      )}
    </>
  );
}
