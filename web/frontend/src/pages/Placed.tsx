import { useQuery } from "@tanstack/react-query";
import { Navigate, useParams } from "react-router";
import { placed } from "../api/queries";
import { Failed, Loading } from "../parts/State";
import { useTitle } from "../parts/hooks";
import { NotFound } from "./NotFound";

/** A location, service or device has no page of its own; this one leads to the account where it stands. */
export function Placed({ kind }: { kind: "locations" | "services" | "equipment" }) {
  const id = Number(useParams()["id"]);
  const asked = useQuery({ ...placed(kind, id), enabled: Number.isSafeInteger(id) });
  useTitle("");
  if (!Number.isSafeInteger(id)) return <NotFound />;
  if (asked.isPending) return <Loading />;
  if (!asked.data) return <Failed error={asked.error} again={() => void asked.refetch()} />;
  const looked = kind === "equipment" ? `?equipment=${id}` : "";
  return <Navigate replace to={`/customers/${asked.data.customer_id}${looked}`} />;
}
