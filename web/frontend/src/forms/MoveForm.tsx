import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { send, sentence } from "../api/client";
import { one } from "../api/queries";
import type { EquipmentHit } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { useSettled } from "../parts/hooks";
import { moved } from "../words/sentences";
import { clean } from "../words/text";
import { Buttons } from "./Buttons";
import { Refusal } from "./RecordForm";
import { against, useEntry } from "./useEntry";

/** A device, as far as a move must know it. */
export type Movable = Pick<EquipmentHit, "equipment_id" | "equipment_name" | "location_id" | "retired_on">;

const [STOCK, ELSEWHERE] = ["stock", "elsewhere"];

/** Put a device at another location of its customer, at any by its ID, or back into stock. */
export function MoveDialog({ device, locations, onClose, onMoved }: {
  device: Movable;
  locations: { location_id: number; address: string }[]; // its customer's
  onClose: () => void;
  onMoved: (sentence: string) => void;
}) {
  const { equipment_id, location_id, retired_on } = device;
  const mayGoToStock = location_id !== null || retired_on !== null;
  const [to, setTo] = useState(mayGoToStock ? STOCK : ELSEWHERE);
  const [typed, setTyped] = useState("");
  const entry = useEntry(
    (body: unknown) => send<EquipmentHit>("POST", `/api/equipment/${equipment_id}/move`, body),
    (row) => onMoved(moved(row)),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const target = to === STOCK ? null : to === ELSEWHERE ? typed.trim() : to;
    void entry.submit({ location_id: target, seen: { location_id, retired_on } });
  };
  const refusal = against(entry.outcome, "location_id");
  return (
    <Dialog title={`Move or take back equipment ${equipment_id}`} onClose={onClose} busy={entry.busy}>
      <form onSubmit={submit} noValidate>
        <p>{clean(device.equipment_name)}</p>
        <Field label="To" refusal={to === ELSEWHERE ? null : refusal}>
          <select autoFocus name="to" value={to} onChange={(event) => setTo(event.target.value)}>
            {mayGoToStock && <option value={STOCK}>In stock</option>}
            {locations.filter((one) => one.location_id !== location_id).map((one) => (
              <option key={one.location_id} value={one.location_id}>{clean(one.address)}</option>
            ))}
            <option value={ELSEWHERE}>Another location, by its ID</option>
          </select>
        </Field>
        {to === ELSEWHERE && (
          <Field label="Location ID" refusal={refusal} note={<Which typed={typed.trim()} />}>
            <input name="location_id" inputMode="numeric" autoComplete="off" maxLength={30} value={typed}
              onChange={(event) => setTyped(event.target.value)} />
          </Field>
        )}
        <Refusal outcome={entry.outcome} fields={["location_id"]}
          look="Look where this device is before you move it again." />
        <Buttons does="Move" doing="Moving…" busy={entry.busy} onClose={onClose} />
      </form>
    </Dialog>
  );
}

/** Say which location has an ID, and whose that is, so that nobody's device goes to another by a slip. */
function Which({ typed }: { typed: string }) {
  const settled = useSettled(typed, 150);
  const asked = useQuery(one("/api/locations/{location_id}", /^[0-9]+$/.test(settled) ? Number(settled) : 0));
  if (!typed || settled !== typed) return <>It stands beside each address of an account.</>;
  if (asked.data) return <>{clean(`${asked.data.address}, of ${asked.data.name}.`)}</>;
  return <>{asked.isError ? sentence(asked.error) : ""}</>;
}
