import { useQuery } from "@tanstack/react-query";
import { Navigate, useParams } from "react-router";
import { one } from "../api/queries";
import { Failed, Loading } from "../parts/State";
import { useTitle } from "../parts/hooks";
import { NotFound } from "./NotFound";

const PATHS = {
  locations: "/api/locations/{location_id}",
  services: "/api/services/{service_id}",
  equipment: "/api/equipment/{equipment_id}",
} as const;

/** A location or service has no page of its own; this one leads to the account where it, or a device, stands, if at any. */
export function Placed({ kind }: { kind: keyof typeof PATHS }) {
  const id = Number(useParams()["id"]);
  const asked = useQuery(one(PATHS[kind], id));
  useTitle("");
  if (!Number.isSafeInteger(id) || id < 1) return <NotFound />;
  if (asked.isPending) return <Loading />;
  if (!asked.data) return <Failed page error={asked.error} again={() => void asked.refetch()} />;
  if (asked.data.customer_id === null) return <Navigate replace to={`/equipment/${id}/places`} />;
  const looked = kind === "equipment" ? `?equipment=${id}` : "";
  return <Navigate replace to={`/customers/${asked.data.customer_id}${looked}`} />;
}
