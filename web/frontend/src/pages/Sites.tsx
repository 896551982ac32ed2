// A customer's locations, with the services and equipment there.
import { Fragment, useEffect, useRef } from "react";
import { Link } from "react-router";
import type { Site, SiteEquipment, SiteService, Values } from "../api/types";
import { EQUIPMENT, LOCATION, SERVICE, type RecordKind } from "../forms/records";
import { Amount } from "../parts/Amount";
import { serviceSaid } from "../words/sentences";
import { clean } from "../words/text";

/** What opens a form; there is none for who may not change anything. */
export interface Ask {
  addTo: false | ((kind: RecordKind, location: number) => void); // not to a closed account
  change: (kind: RecordKind, row: Values) => void;
  move: (device: SiteEquipment, location: number) => void;
}

export function Sites({ sites, ask, looked }: { sites: Site[]; ask: Ask | null; looked: string }) {
  if (!sites.length) return <p className="empty">No locations.{ask?.addTo && " Add location adds the first."}</p>;
  return sites.map((site) => <OneSite key={site.location_id} site={site} ask={ask} looked={looked} />);
}

function OneSite({ site, ask, looked }: { site: Site; ask: Ask | null; looked: string }) {
  const address = clean(site.address);
  const add = ask?.addTo;
  return (
    <section className="site" aria-label={address}>
      <header>
        <h3>{address} <span className="muted">{site.location_id}</span></h3>
        {ask && (
          <div className="actions">
            <Change what={`location ${site.location_id}`} on={() => ask.change(LOCATION, { ...site })} />
            {add && (
              <>
                <button type="button" className="plain" onClick={() => add(SERVICE, site.location_id)}>
                  Add service
                </button>
                <button type="button" className="plain" onClick={() => add(EQUIPMENT, site.location_id)}>
                  Add equipment
                </button>
              </>
            )}
          </div>
        )}
      </header>
      {site.services.length + site.equipment.length > 0 ? (
        <table className="plain-table">
          <caption className="unseen">Services and equipment at {address}</caption>
          <thead className="unseen">
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Kind</th>
              <th scope="col">Amount</th>
              {ask && <th scope="col">Change</th>}
            </tr>
          </thead>
          <tbody>
            {site.services.map((service) => (
              <Service key={service.service_id} service={service} ask={ask} />
            ))}
            {site.equipment.map((device) => (
              <Device key={device.equipment_id} device={device} location={site.location_id} ask={ask}
                looked={looked === String(device.equipment_id)} />
            ))}
          </tbody>
        </table>
      ) : (
        <p className="muted">No services, no equipment.</p>
      )}
    </section>
  );
}

function Service({ service, ask }: { service: SiteService; ask: Ask | null }) {
  const said = serviceSaid(service);
  return (
    <tr>
      <th scope="row">
        {clean(service.service_name)}&nbsp;<span className="muted">{service.service_id}</span>
        {said.length > 0 && (
          <span className="standing">
            {said.map((part, i) => (
              <Fragment key={part}>{i > 0 && ", "}<span className="day">{part}</span></Fragment>
            ))}
          </span>
        )}
      </th>
      <td className="muted">monthly</td>
      <td className="amount"><Amount of={service.cost} /></td>
      {ask && (
        <td className="act">
          <Change what={`service ${service.service_id}`} on={() => ask.change(SERVICE, { ...service })} />
        </td>
      )}
    </tr>
  );
}

function Device({ device, location, ask, looked }: {
  device: SiteEquipment;
  location: number;
  ask: Ask | null;
  looked: boolean;
}) {
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (looked) row.current?.scrollIntoView({ block: "center" });
  }, [looked]);
  return (
    <tr ref={row} className={looked ? "looked" : undefined}>
      <th scope="row">
        <Link to={`/equipment/${device.equipment_id}/places`}>{clean(device.equipment_name)}</Link>&nbsp;
        <span className="muted">{device.equipment_id}</span>
        {device.serial_number && <span className="serial">{" "}serial {clean(device.serial_number)}</span>}
      </th>
      <td className="muted">worth</td>
      <td className="amount"><Amount of={device.cost} /></td>
      {ask && (
        <td className="act">
          <Change what={`equipment ${device.equipment_id}`} on={() => ask.change(EQUIPMENT, { ...device })} />{" "}
          <button type="button" className="plain" aria-label={`Move equipment ${device.equipment_id}`}
            onClick={() => ask.move(device, location)}>
            Move
          </button>
        </td>
      )}
    </tr>
  );
}

function Change({ what, on }: { what: string; on: () => void }) {
  return <button type="button" className="plain" aria-label={`Update ${what}`} onClick={on}>Update</button>;
}
