import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { one } from "../api/queries";
import { usePerson } from "../api/session";
import type { EquipmentHit, PlaceOfDevice } from "../api/types";
import { MoveDialog } from "../forms/MoveForm";
import { Amount } from "../parts/Amount";
import { Fact, Facts } from "../parts/Facts";
import { PageHead } from "../parts/PageHead";
import { Saved } from "../parts/Saved";
import { Failed, Loading, Old } from "../parts/State";
import { useTitle } from "../parts/hooks";
import { clean } from "../words/text";
import { NotFound } from "./NotFound";

/** A device: where it is, and where it was. */
export function Device() {
  const id = Number(useParams()["id"]);
  const asked = useQuery(one("/api/equipment/{equipment_id}", id));
  const places = useQuery(one("/api/equipment/{equipment_id}/places", id));
  useTitle(`Equipment ${id}`);
  if (!Number.isSafeInteger(id) || id < 1) return <NotFound />;
  if (asked.isPending) return <Loading />;
  if (!asked.data) return <Failed page error={asked.error} again={() => void asked.refetch()} />;
  return (
    <>
      <Old asked={asked.isError ? asked : places} />
      <Found device={asked.data} />
      {places.isPending ? <Loading rows={2} />
        : places.data ? <Places rows={places.data} />
        : <Failed error={places.error} again={() => void places.refetch()} />}
    </>
  );
}

function Found({ device }: { device: EquipmentHit }) {
  const { may_change } = usePerson();
  const [moving, setMoving] = useState(false);
  const [said, setSaid] = useState("");
  const { equipment_id, equipment_name, customer_id } = device;
  return (
    <>
      <PageHead title={<>Equipment {equipment_id} <span className="muted">{clean(equipment_name)}</span></>}>
        {may_change && <button type="button" onClick={() => setMoving(true)}>Move or take back</button>}
      </PageHead>
      <Saved said={said} />
      <Facts>
        <Fact name="Serial number">{clean(device.serial_number) || "none"}</Fact>
        <Fact name="Worth"><Amount of={device.cost} /></Fact>
        <Fact name="Place">{clean(device.place)}{device.retired_on && `, ${device.retired_on}`}</Fact>
        {customer_id !== null && (
          <Fact name="Customer">
            <Link to={`/customers/${customer_id}?equipment=${equipment_id}`}>{clean(device.name)}</Link>
          </Fact>
        )}
      </Facts>
      {moving && (
        <MoveDialog device={device} locations={[]} onClose={() => setMoving(false)}
          onMoved={(sentence) => {
            setSaid(sentence);
            setMoving(false);
          }} />
      )}
    </>
  );
}

function Places({ rows }: { rows: PlaceOfDevice[] }) {
  return (
    <table className="plain-table narrow">
      <caption>Places</caption>
      <thead>
        <tr>
          <th scope="col">Place</th>
          <th scope="col">From</th>
          <th scope="col">To</th>
          <th scope="col">By</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <tr key={i}>
            <th scope="row">{clean(row.place)}</th>
            <td className="day">{row.since}</td>
            <td className="day">{row.until}</td>
            <td>{clean(row.person)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
